#include "translate.h"

#include <string.h>

namespace re2_module {
namespace {

bool is_octal(char c) { return '0' <= c && c <= '7'; }

bool is_hex(char c) { return ('0' <= c && c <= '9') || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F'); }

bool is_space(char c) { return c != '\0' && strchr(" \t\n\r\f\v", c) != nullptr; }

// Walks over a pattern once and writes its translation.
class Translator {
 public:
  Translator(const re2::StringPiece& pattern, int flags, std::string* out)
      : pattern_(pattern), unicode_(flags & kUnicode), verbose_(flags & kVerbose), out_(out) {}

  Translation run() {
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_];
      Translation problem = Translation::kDone;
      if (verbose_ && is_space(c)) {
        at_++;
      } else if (verbose_ && c == '#') {
        const size_t newline = pattern_.find('\n', at_);
        at_ = newline == re2::StringPiece::npos ? pattern_.size() : newline + 1;
      } else if (c == '[') {
        problem = char_class();
      } else if (c == '\\') {
        problem = escape();
      } else {
        copy(1);
      }
      if (problem != Translation::kDone) return problem;
    }
    return Translation::kDone;
  }

 private:
  void copy(size_t count) {
    out_->append(pattern_.data() + at_, count);
    at_ += count;
  }

  Translation replace(const char* with) {
    out_->append(with);
    at_ += 2;
    return Translation::kDone;
  }

  // The character `ahead` of here, or NUL beyond the end.
  char peek(size_t ahead) const { return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0'; }

  Translation char_class() {
    copy(1);
    while (at_ < pattern_.size()) {
      if (pattern_[at_] != '\\') {
        const bool last = pattern_[at_] == ']';
        copy(1);
        if (last) return Translation::kDone;
        continue;
      }
      if (at_ + 1 == pattern_.size()) break;
      const Translation problem = class_escape();
      if (problem != Translation::kDone) return problem;
    }
    return Translation::kUnterminated;
  }

  Translation class_escape() {
    const char c = peek(1);
    if (c == 'b') return replace("\\010");
    if (unicode_) {
      switch (c) {
        case 'd': return replace("\\p{Nd}");
        case 'w': return replace("_\\p{L}\\p{Nd}");
        case 's': return replace("\\s\\p{Z}");
        case 'D': return replace("\\P{Nd}");
        // Complements of a union of groups: not to be said inside of a class.
        case 'W': case 'S': return Translation::kNegatedClass;
      }
    }
    copy(2);
    return Translation::kDone;
  }

  Translation escape() {
    const char c = peek(1);
    if (at_ + 1 == pattern_.size()) {
      copy(1);  // RE2 knows what to say about it
      return Translation::kDone;
    }
    if (('0' <= c && c <= '9') || c == 'x') {
      const bool numeric = c == 'x' ? is_hex(peek(2)) && is_hex(peek(3))
                                    : is_octal(c) && is_octal(peek(2)) && is_octal(peek(3));
      if (!numeric) return Translation::kBackreference;
      copy(4);
      return Translation::kDone;
    }
    if (c == 'Z') return replace("\\z");
    if (unicode_) {
      switch (c) {
        case 'd': return replace("\\p{Nd}");
        case 'w': return replace("[_\\p{L}\\p{Nd}]");
        case 's': return replace("[\\s\\p{Z}]");
        case 'D': return replace("[^\\p{Nd}]");
        case 'W': return replace("[^_\\p{L}\\p{Nd}]");
        case 'S': return replace("[^\\s\\p{Z}]");
      }
    }
    copy(2);
    return Translation::kDone;
  }

  const re2::StringPiece pattern_;
  const bool unicode_;
  const bool verbose_;
  std::string* const out_;
  size_t at_ = 0;
};

}  // namespace

const char* describe(Translation problem) {
  switch (problem) {
    case Translation::kLocaleUnsupported: return "re.LOCALE not supported";
    case Translation::kBackreference: return "Backreferences not supported";
    case Translation::kNegatedClass: return "\\W and \\S not supported inside character classes";
    case Translation::kUnterminated: return "unexpected end of regular expression";
    case Translation::kDone: break;
  }
  return "";
}

Translation translate(const re2::StringPiece& pattern, bool is_str, int flags, std::string* translated) {
  if (flags & kLocale) return Translation::kLocaleUnsupported;
  if (is_str) flags = flags & kAscii ? flags & ~kUnicode : flags | kUnicode;
  translated->reserve(pattern.size() + 16);
  if (flags & (kDotAll | kMultiLine)) {
    *translated = flags & kDotAll ? (flags & kMultiLine ? "(?sm)" : "(?s)") : "(?m)";
  }
  return Translator(pattern, flags, translated).run();
}

re2::RE2::Options options(bool is_str, int flags, int64_t max_mem) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_case_sensitive(!(flags & kIgnoreCase));
  options.set_max_mem(max_mem);
  options.set_encoding(is_str || (flags & kUnicode) ? re2::RE2::Options::EncodingUTF8
                                                    : re2::RE2::Options::EncodingLatin1);
  return options;
}

}  // namespace re2_module
