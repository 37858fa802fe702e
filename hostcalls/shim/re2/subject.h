// The text that a pattern is run over.

#ifndef RE2_MODULE_SUBJECT_H_
#define RE2_MODULE_SUBJECT_H_

#include "python.h"
#include "re2/re2.h"

namespace re2_module {

// RE2's view of a str (as UTF-8: an ASCII str's own storage, else what CPython caches inside the str) or of the memory
// of any bytes-like object, which is not copied and stays exported while the Subject lives. Offsets are bytes of
// `text()`; Python's positions are code points for a str and bytes else.
class Subject {
 public:
  Subject() = default;
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  ~Subject() { close(); }

  // Raises TypeError and returns false if `object` is neither, or not of the pattern's kind.
  bool open(PyObject* object, bool pattern_is_str);
  // As above, whatever the kind.
  bool open(PyObject* object);
  void close();

  re2::StringPiece text() const { return text_; }
  bool is_str() const { return is_str_; }
  PyObject* object() const { return object_; }

  // A position for each byte, so that offsets are positions.
  bool is_plain() const { return plain_; }

  // From a position to an offset, or text().size() + 1 if the position lies beyond the end.
  size_t offset(Py_ssize_t position) const;

  // The number of positions in a range of offsets.
  Py_ssize_t positions(size_t begin, size_t end) const;

  // A range of offsets as str or bytes.
  PyObject* slice(const re2::StringPiece& piece) const;

 private:
  re2::StringPiece text_;
  PyObject* object_ = nullptr;  // borrowed: the caller holds it
  Py_buffer buffer_ = {};
  bool is_str_ = false;
  bool plain_ = true;
};

// The pos and endpos of a search as offsets.
struct Range {
  size_t begin = 0;
  size_t end = 0;

  // False if no match is possible. A negative `endpos` stands for the end, as in pyre2.
  bool resolve(const Subject& subject, Py_ssize_t pos, Py_ssize_t endpos);
};

}  // namespace re2_module

#endif  // RE2_MODULE_SUBJECT_H_
