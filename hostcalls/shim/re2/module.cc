#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "re2/re2.h"
#include "re2/set.h"

PyMODINIT_FUNC PyInit_re2() {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "re2", nullptr, -1, nullptr, nullptr, nullptr, nullptr, nullptr};
  RE2::Set set(RE2::Options(), RE2::UNANCHORED);
  set.Add("a", nullptr);
  set.Compile();
  return set.Match("cab", nullptr) ? PyModule_Create(&definition) : nullptr;
}
