// compile() and its cache.

#ifndef RE2_MODULE_PATTERN_CACHE_H_
#define RE2_MODULE_PATTERN_CACHE_H_

#include "python.h"

namespace re2_module {

constexpr Py_ssize_t kDefaultMaxMem = 8 << 20;  // bytes, as in RE2 and pyre2

// A Pattern or FallbackPattern for str, bytes or either of these two.
PyObject* compile(PyObject* pattern, int flags, Py_ssize_t max_mem = kDefaultMaxMem);

void clear_cache();

// What every pattern has that is not compiled yet: bytes of its source, for RE2. False, with TypeError set, for others.
bool is_source(PyObject* pattern);

}  // namespace re2_module

#endif  // RE2_MODULE_PATTERN_CACHE_H_
