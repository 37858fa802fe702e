// re2.Set: many patterns in one pass over the text.

#ifndef RE2_MODULE_PATTERN_SET_H_
#define RE2_MODULE_PATTERN_SET_H_

#include "python.h"

namespace re2_module {

int add_set_type(PyObject* module);

}  // namespace re2_module

#endif  // RE2_MODULE_PATTERN_SET_H_
