// All matches of a pattern in a text, one after the other.

#ifndef RE2_MODULE_SCANNER_H_
#define RE2_MODULE_SCANNER_H_

#include "python.h"
#include "re2/re2.h"
#include "subject.h"

namespace re2_module {

// RE2's answers for the whole match and each group. Most patterns have few groups and need no memory of their own.
class Submatches {
 public:
  Submatches() = default;
  Submatches(const Submatches&) = delete;
  Submatches& operator=(const Submatches&) = delete;
  ~Submatches() {
    if (data_ != few_) delete[] data_;
  }

  // To be called once, before anything else.
  void resize(int count) {
    count_ = count;
    if (count > kFew) data_ = new re2::StringPiece[count];
  }

  int count() const { return count_; }
  re2::StringPiece* data() { return data_; }
  const re2::StringPiece& operator[](int group) const { return data_[group]; }

 private:
  static constexpr int kFew = 8;
  re2::StringPiece few_[kFew];
  re2::StringPiece* data_ = few_;
  int count_ = 0;
};

// Matches do not overlap; empty ones count, also right behind another match. After an empty match the search goes on one
// character further: RE2 can't be asked for a longer match at the same place, which re would find.
class Scanner {
 public:
  // `groups`: how many groups are wanted beside the whole match. The subject must outlive the scanner.
  void start(const re2::RE2* pattern, const Subject* subject, Range range, int groups) {
    pattern_ = pattern;
    text_ = re2::StringPiece(subject->text().data(), range.end);
    at_ = range.begin;
    utf8_ = pattern->options().encoding() == re2::RE2::Options::EncodingUTF8;
    found_.resize(groups + 1);
  }

  bool next() {
    if (at_ > text_.size() || !pattern_->Match(text_, at_, text_.size(), re2::RE2::UNANCHORED, found_.data(), found_.count())) {
      at_ = text_.size() + 1;
      return false;
    }
    if (at_ == text_.size()) {
      at_++;
    } else {
      at_ = found_[0].empty() ? after(begin()) : end();
    }
    return true;
  }

  // Ends the scan.
  void stop() { at_ = text_.size() + 1; }

  // Of the match found last.
  const Submatches& found() const { return found_; }
  size_t begin() const { return found_[0].data() - text_.data(); }
  size_t end() const { return begin() + found_[0].size(); }

  re2::StringPiece text() const { return text_; }

 private:
  // The offset behind the character at `offset`.
  size_t after(size_t offset) const {
    size_t next = offset + 1;
    if (utf8_ && offset < text_.size() && static_cast<unsigned char>(text_[offset]) >= 0xC0) {
      while (next < text_.size() && (text_[next] & 0xC0) == 0x80) next++;
    }
    return next;
  }

  const re2::RE2* pattern_ = nullptr;
  re2::StringPiece text_;
  size_t at_ = 0;
  bool utf8_ = false;
  Submatches found_;
};

}  // namespace re2_module

#endif  // RE2_MODULE_SCANNER_H_
