// re2.Pattern: a compiled pattern and its methods.

#ifndef RE2_MODULE_PATTERN_H_
#define RE2_MODULE_PATTERN_H_

#include "python.h"
#include "re2/re2.h"

namespace re2_module {

struct Pattern {
  PyObject_HEAD
  re2::RE2* re;
  PyObject* source;      // what the caller gave: str or bytes
  PyObject* groupindex;  // dict: name -> number
  PyObject* weakrefs;
  int flags;
  int groups;
  bool is_str;
};

extern PyTypeObject* pattern_type;
extern PyTypeObject* match_iterator_type;

// Takes over `re`, also if it fails.
PyObject* new_pattern(re2::RE2* re, PyObject* source, bool is_str, int flags);

// Adds the types to the module. 0, or -1 with an exception set.
int add_pattern_types(PyObject* module);

// Pattern.sub and Pattern.subn (substitute.cc).
PyObject* pattern_sub(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords);
PyObject* pattern_subn(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords);

}  // namespace re2_module

#endif  // RE2_MODULE_PATTERN_H_
