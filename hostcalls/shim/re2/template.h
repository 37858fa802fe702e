// Replacement templates such as r"\1, \g<name>".

#ifndef RE2_MODULE_TEMPLATE_H_
#define RE2_MODULE_TEMPLATE_H_

#include <string>
#include <vector>

#include "pattern.h"
#include "python.h"
#include "re2/stringpiece.h"
#include "scanner.h"

namespace re2_module {

// A growing bytes object. What fails here has set MemoryError.
class Output {
 public:
  bool append(const re2::StringPiece& piece);
  // The content as str (which must be UTF-8) or bytes.
  PyObject* finish(bool as_str);

 private:
  Ref bytes_;
  Py_ssize_t size_ = 0;
};

class Template {
 public:
  struct Piece {
    int group;  // -1: literal text
    size_t begin, end;
  };

  // Raises re2.error for bad syntax or a group number that isn't there, IndexError for an unknown name.
  bool parse(PyObject* source, const Pattern* pattern);

  // Whether `source` has no escapes but \\, so that it is the same in RE2's own syntax.
  static bool is_plain(const re2::StringPiece& source);

  const std::vector<Piece>& pieces() const { return pieces_; }
  re2::StringPiece literal(const Piece& piece) const {
    return re2::StringPiece(literals_.data() + piece.begin, piece.end - piece.begin);
  }

  bool expand(const Submatches& found, Output* output) const;

 private:
  bool parse_escape(const re2::StringPiece& source, size_t* at, const Pattern* pattern);
  bool parse_named(const re2::StringPiece& source, size_t* at, const Pattern* pattern);
  void add_literal(const char* data, size_t size);
  void add_character(unsigned int code, bool is_str);

  std::vector<Piece> pieces_;
  std::string literals_;
};

}  // namespace re2_module

#endif  // RE2_MODULE_TEMPLATE_H_
