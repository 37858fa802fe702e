#include "template.h"

#include <string.h>

#include "fallback.h"
#include "subject.h"

namespace re2_module {

bool Output::append(const re2::StringPiece& piece) {
  const Py_ssize_t wanted = size_ + static_cast<Py_ssize_t>(piece.size());
  if (!bytes_ || wanted > PyBytes_GET_SIZE(bytes_.get())) {
    const Py_ssize_t room = wanted + wanted / 2 + 64;
    PyObject* bytes = bytes_.release();
    if (bytes == nullptr) {
      bytes = PyBytes_FromStringAndSize(nullptr, room);
    } else {
      _PyBytes_Resize(&bytes, room);
    }
    bytes_ = Ref(bytes);
    if (!bytes_) return false;
  }
  memcpy(PyBytes_AS_STRING(bytes_.get()) + size_, piece.data(), piece.size());
  size_ = wanted;
  return true;
}

PyObject* Output::finish(bool as_str) {
  if (!bytes_) return as_str ? PyUnicode_FromString("") : PyBytes_FromString("");
  if (as_str) return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes_.get()), size_, nullptr);
  PyObject* bytes = bytes_.release();
  _PyBytes_Resize(&bytes, size_);
  return bytes;
}

static bool is_digit(char c) { return '0' <= c && c <= '9'; }
static bool is_octal(char c) { return '0' <= c && c <= '7'; }
static bool is_identifier(char c) { return is_digit(c) || ('a' <= (c | 32) && (c | 32) <= 'z') || c == '_'; }

static int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  const char lower = c | 32;
  return 'a' <= lower && lower <= 'f' ? lower - 'a' + 10 : -1;
}

bool Template::is_plain(const re2::StringPiece& source) {
  for (size_t at = 0; at < source.size(); at++) {
    if (source[at] == '\\' && (++at == source.size() || source[at] != '\\')) return false;
  }
  return true;
}

void Template::add_literal(const char* data, size_t size) {
  if (size == 0) return;
  if (pieces_.empty() || pieces_.back().group >= 0) pieces_.push_back({-1, literals_.size(), literals_.size()});
  literals_.append(data, size);
  pieces_.back().end = literals_.size();
}

// An octal or hexadecimal escape: a code point below 256 of a str, or a byte.
void Template::add_character(unsigned int code, bool is_str) {
  code &= 255;
  if (!is_str || code < 0x80) {
    const char byte = static_cast<char>(code);
    add_literal(&byte, 1);
  } else {
    const char bytes[] = {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
    add_literal(bytes, 2);
  }
}

bool Template::parse(PyObject* source, const Pattern* pattern) {
  Subject subject;
  if (!subject.open(source, pattern->is_str)) return false;
  const re2::StringPiece text = subject.text();
  size_t at = 0;
  while (at < text.size()) {
    const size_t backslash = text.find('\\', at);
    const size_t end = backslash == re2::StringPiece::npos ? text.size() : backslash;
    add_literal(text.data() + at, end - at);
    at = end;
    if (at < text.size() && !parse_escape(text, &at, pattern)) return false;
  }
  return true;
}

// source[*at] is a backslash; moves *at behind the escape.
bool Template::parse_escape(const re2::StringPiece& source, size_t* at, const Pattern* pattern) {
  const auto peek = [&](size_t ahead) { return *at + ahead < source.size() ? source[*at + ahead] : '\0'; };
  const char c = peek(1);
  if (*at + 1 == source.size()) return raise_error("bad escape (end of template)");
  if (c == 'x' && hex_value(peek(2)) >= 0 && hex_value(peek(3)) >= 0) {
    add_character(hex_value(peek(2)) * 16 + hex_value(peek(3)), pattern->is_str);
    *at += 4;
  } else if (is_octal(c) && is_octal(peek(2)) && is_octal(peek(3))) {
    add_character((c - '0') * 64 + (peek(2) - '0') * 8 + (peek(3) - '0'), pattern->is_str);
    *at += 4;
  } else if (c == '0') {
    const bool two = is_octal(peek(2));
    add_character(two ? peek(2) - '0' : 0, pattern->is_str);
    *at += two ? 3 : 2;
  } else if (is_digit(c)) {
    const bool two = is_digit(peek(2));
    const int group = two ? (c - '0') * 10 + (peek(2) - '0') : c - '0';
    if (group > pattern->groups) return raise_error("invalid group reference.");
    pieces_.push_back({group, 0, 0});
    *at += two ? 3 : 2;
  } else if (c == 'g') {
    return parse_named(source, at, pattern);
  } else {
    static const char kEscapes[] = "n\nr\rt\tv\vf\fa\ab\b\\\\";
    const char* known = kEscapes;
    while (*known != '\0' && *known != c) known += 2;
    if (*known != '\0') {
      add_literal(known + 1, 1);
    } else {
      add_literal(source.data() + *at, 2);
    }
    *at += 2;
  }
  return true;
}

// \g<name> or \g<number>.
bool Template::parse_named(const re2::StringPiece& source, size_t* at, const Pattern* pattern) {
  const size_t begin = *at + 3;
  if (begin > source.size() || source[begin - 1] != '<') return raise_error("missing group name");
  size_t end = begin;
  while (end < source.size() && is_identifier(source[end])) end++;
  if (end == source.size()) return raise_error("unterminated group name");
  if (source[end] != '>' || end == begin) return raise_error("bad character in group name");
  Ref name(PyUnicode_DecodeUTF8(source.data() + begin, end - begin, nullptr));
  if (!name) return false;
  Ref number;
  if (is_digit(source[begin])) {
    for (size_t i = begin; i < end; i++) {
      if (!is_digit(source[i])) return raise_error("bad character in group name");
    }
    number = Ref(PyLong_FromUnicodeObject(name.get(), 10));
    if (!number) return false;
  } else {
    PyObject* known = PyDict_GetItemWithError(pattern->groupindex, name.get());
    if (known == nullptr && PyErr_Occurred()) return false;
    number = Ref(Py_XNewRef(known));
  }
  const Py_ssize_t group = number ? PyNumber_AsSsize_t(number.get(), nullptr) : -1;
  if (group < 0 || group > pattern->groups) {
    if (!PyErr_Occurred()) PyErr_Format(PyExc_IndexError, "no such group %R", name.get());
    return false;
  }
  pieces_.push_back({static_cast<int>(group), 0, 0});
  *at = end + 1;
  return true;
}

bool Template::expand(const Submatches& found, Output* output) const {
  for (const Piece& piece : pieces_) {
    const re2::StringPiece text = piece.group < 0 ? literal(piece) : found[piece.group];
    if (!text.empty() && !output->append(text)) return false;
  }
  return true;
}

}  // namespace re2_module
