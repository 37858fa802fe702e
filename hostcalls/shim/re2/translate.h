// From the syntax of Python's re to that of RE2.

#ifndef RE2_MODULE_TRANSLATE_H_
#define RE2_MODULE_TRANSLATE_H_

#include <string>

#include "re2/re2.h"

namespace re2_module {

// The values of re's flags.
enum Flag : int {
  kIgnoreCase = 2,
  kLocale = 4,
  kMultiLine = 8,
  kDotAll = 16,
  kUnicode = 32,
  kVerbose = 64,
  kDebug = 128,
  kAscii = 256,
};

enum class Translation {
  kDone,
  kLocaleUnsupported,
  kBackreference,    // \1, and escapes that only re knows, such as \0 and \x{..}
  kNegatedClass,     // \W or \S of a Unicode pattern inside of [...]
  kUnterminated,     // [... without its ]
};

const char* describe(Translation problem);

// Writes what RE2 should be given for `pattern` (UTF-8 if it was a str) and for `flags`, except kIgnoreCase, which is an
// option of RE2. The rules are pyre2's: verbose mode is stripped here, and \d, \w, \s become Unicode classes in a str.
Translation translate(const re2::StringPiece& pattern, bool is_str, int flags, std::string* translated);

// RE2's options for a pattern of this kind: bytes without kUnicode are Latin-1, so that any byte can match.
re2::RE2::Options options(bool is_str, int flags, int64_t max_mem);

}  // namespace re2_module

#endif  // RE2_MODULE_TRANSLATE_H_
