// re2.Match: one match.

#ifndef RE2_MODULE_MATCH_H_
#define RE2_MODULE_MATCH_H_

#include "pattern.h"
#include "python.h"
#include "scanner.h"
#include "subject.h"

namespace re2_module {

struct Span {
  Py_ssize_t begin;  // both -1 for a group that took no part
  Py_ssize_t end;
};

// Spans are positions in `string`. Groups are cut out of `text` when they are asked for.
struct Match {
  PyObject_VAR_HEAD
  Pattern* pattern;
  PyObject* string;  // what was searched
  PyObject* text;    // `string` itself if it can't change, else a bytes object with what was matched
  Py_ssize_t base;   // position of text[0] in `string`
  Py_ssize_t pos;
  Py_ssize_t endpos;
  PyObject* regs;  // made when first asked for
  Span spans[1];   // of the whole match and each group
};

// Counts positions of one text while going forward through its matches.
struct Cursor {
  size_t offset = 0;
  Py_ssize_t position = 0;

  Py_ssize_t advance(const Subject& subject, size_t to) {
    position += to >= offset ? subject.positions(offset, to) : -subject.positions(to, offset);
    offset = to;
    return position;
  }
};

// `pos` and `endpos` are positions.
PyObject* new_match(Pattern* pattern, const Subject& subject, const Submatches& found, Py_ssize_t pos,
                    Py_ssize_t endpos, Cursor* cursor);

int add_match_type(PyObject* module);

}  // namespace re2_module

#endif  // RE2_MODULE_MATCH_H_
