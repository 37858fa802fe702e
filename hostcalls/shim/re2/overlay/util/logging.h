// Takes the place of RE2's util/logging.h: no messages, hence no C++ streams and locales in the module. Errors reach
// Python as return values of RE2; what RE2 calls fatal ends the program here as there.

#ifndef UTIL_LOGGING_H_
#define UTIL_LOGGING_H_

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/util.h"

namespace re2_logging {

struct Nothing {
  template <typename T>
  const Nothing& operator<<(const T&) const {
    return *this;
  }
};

struct Fatal : Nothing {
  ~Fatal() { abort(); }
};

}  // namespace re2_logging

#define DCHECK(condition) assert(condition)
#define DCHECK_EQ(x, y) assert((x) == (y))
#define DCHECK_NE(x, y) assert((x) != (y))
#define DCHECK_LE(x, y) assert((x) <= (y))
#define DCHECK_LT(x, y) assert((x) < (y))
#define DCHECK_GE(x, y) assert((x) >= (y))
#define DCHECK_GT(x, y) assert((x) > (y))

#define CHECK(x) \
  if (x) {       \
  } else         \
    re2_logging::Fatal()
#define CHECK_LT(x, y) CHECK((x) < (y))
#define CHECK_GT(x, y) CHECK((x) > (y))
#define CHECK_LE(x, y) CHECK((x) <= (y))
#define CHECK_GE(x, y) CHECK((x) >= (y))
#define CHECK_EQ(x, y) CHECK((x) == (y))
#define CHECK_NE(x, y) CHECK((x) != (y))

#define LOG_INFO re2_logging::Nothing()
#define LOG_WARNING re2_logging::Nothing()
#define LOG_ERROR re2_logging::Nothing()
#define LOG_DFATAL re2_logging::Nothing()
#define LOG_FATAL re2_logging::Fatal()
#define LOG_QFATAL re2_logging::Fatal()
#define LOG(severity) LOG_##severity

#define VLOG(x) LOG_INFO

#endif  // UTIL_LOGGING_H_
