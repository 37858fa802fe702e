#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <zlib.h>

PyMODINIT_FUNC PyInit_zlib(void) {
  static PyModuleDef definition = {PyModuleDef_HEAD_INIT, "zlib", NULL, -1, NULL, NULL, NULL, NULL, NULL};
  return PyModule_Create(&definition);
}
