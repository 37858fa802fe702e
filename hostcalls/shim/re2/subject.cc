#include "subject.h"

namespace re2_module {

bool Subject::open(PyObject* object, bool pattern_is_str) {
  if (PyUnicode_Check(object) != pattern_is_str) {
    PyErr_SetString(PyExc_TypeError, pattern_is_str ? "can't use a string pattern on a bytes-like object"
                                                    : "can't use a bytes pattern on a string-like object");
    return false;
  }
  return open(object);
}

bool Subject::open(PyObject* object) {
  if (PyUnicode_Check(object)) {
    Py_ssize_t size = 0;
    const char* data = PyUnicode_AsUTF8AndSize(object, &size);
    if (data == nullptr) return false;
    text_ = re2::StringPiece(data, size);
    is_str_ = true;
    plain_ = size == PyUnicode_GET_LENGTH(object);
  } else {
    if (!PyObject_CheckBuffer(object)) {
      PyErr_Format(PyExc_TypeError, "expected string or buffer, not %s", Py_TYPE(object)->tp_name);
      return false;
    }
    if (PyObject_GetBuffer(object, &buffer_, PyBUF_SIMPLE) < 0) return false;
    // RE2 takes a null pointer for "no match", which an empty buffer must not look like.
    text_ = re2::StringPiece(buffer_.buf == nullptr ? "" : static_cast<const char*>(buffer_.buf), buffer_.len);
    is_str_ = false;
    plain_ = true;
  }
  object_ = object;
  return true;
}

void Subject::close() {
  if (buffer_.obj != nullptr) PyBuffer_Release(&buffer_);
}

static bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

size_t Subject::offset(Py_ssize_t position) const {
  const size_t wanted = position;
  if (plain_) return wanted <= text_.size() ? wanted : text_.size() + 1;
  size_t at = 0;
  for (size_t point = 0; point < wanted; point++) {
    if (at == text_.size()) return at + 1;
    do at++;
    while (at < text_.size() && continues(text_[at]));
  }
  return at;
}

Py_ssize_t Subject::positions(size_t begin, size_t end) const {
  if (plain_) return end - begin;
  Py_ssize_t points = 0;
  for (size_t at = begin; at < end; at++) points += !continues(text_[at]);
  return points;
}

PyObject* Subject::slice(const re2::StringPiece& piece) const {
  if (!is_str_) return PyBytes_FromStringAndSize(piece.data(), piece.size());
  return PyUnicode_DecodeUTF8(piece.data(), piece.size(), nullptr);
}

bool Range::resolve(const Subject& subject, Py_ssize_t pos, Py_ssize_t endpos) {
  const size_t size = subject.text().size();
  begin = pos <= 0 ? 0 : subject.offset(pos);
  end = endpos < 0 ? size : subject.offset(endpos);
  if (end > size) end = size;
  return begin <= end;
}

}  // namespace re2_module
