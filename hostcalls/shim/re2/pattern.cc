#include "pattern.h"

#include <limits.h>
#include <stddef.h>
#include <structmember.h>

#include <new>

#include "pattern_cache.h"
#include "match.h"
#include "scanner.h"
#include "subject.h"
#include "translate.h"

namespace re2_module {

PyTypeObject* pattern_type;
PyTypeObject* match_iterator_type;

PyObject* new_pattern(re2::RE2* re, PyObject* source, bool is_str, int flags) {
  Ref groupindex(PyDict_New());
  bool fine = static_cast<bool>(groupindex);
  for (const auto& named : re->NamedCapturingGroups()) {
    Ref number(PyLong_FromLong(named.second));
    fine = fine && number && PyDict_SetItemString(groupindex.get(), named.first.c_str(), number.get()) == 0;
  }
  Pattern* pattern = fine ? PyObject_New(Pattern, pattern_type) : nullptr;
  if (pattern == nullptr) {
    delete re;
    return nullptr;
  }
  pattern->re = re;
  pattern->source = Py_NewRef(source);
  pattern->groupindex = groupindex.release();
  pattern->weakrefs = nullptr;
  pattern->flags = flags;
  pattern->groups = re->NumberOfCapturingGroups();
  pattern->is_str = is_str;
  return reinterpret_cast<PyObject*>(pattern);
}

namespace {

Pattern* self_of(PyObject* self) { return reinterpret_cast<Pattern*>(self); }

void pattern_dealloc(PyObject* self) {
  Pattern* pattern = self_of(self);
  PyTypeObject* type = Py_TYPE(self);
  if (pattern->weakrefs != nullptr) PyObject_ClearWeakRefs(self);
  delete pattern->re;
  Py_DECREF(pattern->source);
  Py_DECREF(pattern->groupindex);
  PyObject_Free(self);
  Py_DECREF(type);
}

// The arguments (string, pos, endpos) of nearly every method, and what they come to.
struct Call {
  Subject subject;
  Range range;
  Py_ssize_t pos = 0;
  Py_ssize_t endpos = -1;

  enum Result { kFailed, kNothing, kGo };

  // `strict`: an empty range holds no match at all, not even an empty one (pyre2's rule for single matches).
  Result open(PyObject* self, const char* function, bool strict, PyObject* const* arguments, Py_ssize_t positional,
              PyObject* keywords) {
    Arguments<3> given;
    if (!given.bind(function, {"string", "pos", "endpos"}, 1, arguments, positional, keywords)) return kFailed;
    if (!given.number(1, &pos) || !given.number(2, &endpos)) return kFailed;
    if (!subject.open(given.value[0], self_of(self)->is_str)) return kFailed;
    if (pos < 0) pos = 0;
    if (strict && 0 <= endpos && endpos <= pos) return kNothing;
    return range.resolve(subject, pos, endpos) ? kGo : kNothing;
  }

  // What lies before endpos: to a pattern the text ends there, also for $ and \b.
  re2::StringPiece text() const { return re2::StringPiece(subject.text().data(), range.end); }

  // `endpos` as a match reports it.
  Py_ssize_t reported_end(const Cursor& from) const {
    Cursor cursor = from;
    return cursor.advance(subject, range.end);
  }
};

PyObject* find_one(PyObject* self, const char* function, re2::RE2::Anchor anchor, PyObject* const* arguments,
                   Py_ssize_t positional, PyObject* keywords) {
  Call call;
  const Call::Result result = call.open(self, function, true, arguments, positional, keywords);
  if (result == Call::kFailed) return nullptr;
  if (result == Call::kNothing) Py_RETURN_NONE;
  Pattern* pattern = self_of(self);
  Submatches found;
  found.resize(pattern->groups + 1);
  if (!pattern->re->Match(call.text(), call.range.begin, call.range.end, anchor, found.data(), found.count())) {
    Py_RETURN_NONE;
  }
  Cursor cursor{call.range.begin, call.pos};
  return new_match(pattern, call.subject, found, call.pos, call.reported_end(cursor), &cursor);
}

PyObject* pattern_search(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  return find_one(self, "search", re2::RE2::UNANCHORED, arguments, positional, keywords);
}

PyObject* pattern_match(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  return find_one(self, "match", re2::RE2::ANCHOR_START, arguments, positional, keywords);
}

PyObject* pattern_fullmatch(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  return find_one(self, "fullmatch", re2::RE2::ANCHOR_BOTH, arguments, positional, keywords);
}

PyObject* pattern_contains(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Call call;
  const Call::Result result = call.open(self, "contains", true, arguments, positional, keywords);
  if (result == Call::kFailed) return nullptr;
  return PyBool_FromLong(result == Call::kGo &&
                         self_of(self)->re->Match(call.text(), call.range.begin, call.range.end, re2::RE2::UNANCHORED,
                                                  nullptr, 0));
}

PyObject* pattern_count(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Call call;
  const Call::Result result = call.open(self, "count", false, arguments, positional, keywords);
  if (result == Call::kFailed) return nullptr;
  Py_ssize_t count = 0;
  if (result == Call::kGo) {
    Scanner scanner;
    scanner.start(self_of(self)->re, &call.subject, call.range, 0);
    while (scanner.next()) count++;
  }
  return PyLong_FromSsize_t(count);
}

// What findall() lists for one match: the match, its only group, or a tuple of its groups.
PyObject* findall_item(const Subject& subject, const Submatches& found, int groups) {
  if (groups <= 1) return subject.slice(found[groups]);
  Ref item(PyTuple_New(groups));
  if (!item) return nullptr;
  for (int group = 1; group <= groups; group++) {
    PyObject* value = subject.slice(found[group]);
    if (value == nullptr) return nullptr;
    PyTuple_SET_ITEM(item.get(), group - 1, value);
  }
  return item.release();
}

PyObject* pattern_findall(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Call call;
  const Call::Result result = call.open(self, "findall", false, arguments, positional, keywords);
  if (result == Call::kFailed) return nullptr;
  Ref all(PyList_New(0));
  if (!all || result == Call::kNothing) return all.release();
  const int groups = self_of(self)->groups;
  Scanner scanner;
  scanner.start(self_of(self)->re, &call.subject, call.range, groups);
  while (scanner.next()) {
    Ref item(findall_item(call.subject, scanner.found(), groups));
    if (!item || PyList_Append(all.get(), item.get()) < 0) return nullptr;
  }
  return all.release();
}

struct MatchIterator {
  PyObject_HEAD
  PyObject* pattern;
  PyObject* string;
  Py_ssize_t endpos;
  Call call;
  Scanner scanner;
  Cursor cursor;
};

PyObject* pattern_finditer(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  MatchIterator* iterator = PyObject_New(MatchIterator, match_iterator_type);
  if (iterator == nullptr) return nullptr;
  iterator->pattern = Py_NewRef(self);
  iterator->string = nullptr;
  Call* call = new (&iterator->call) Call();
  Scanner* scanner = new (&iterator->scanner) Scanner();
  new (&iterator->cursor) Cursor();
  Ref owner(reinterpret_cast<PyObject*>(iterator));
  const Call::Result result = call->open(self, "finditer", false, arguments, positional, keywords);
  if (result == Call::kFailed) return nullptr;
  iterator->string = Py_NewRef(call->subject.object());
  if (result == Call::kNothing) {
    call->range = Range{call->subject.text().size(), call->subject.text().size()};
  }
  scanner->start(self_of(self)->re, &call->subject, call->range, self_of(self)->groups);
  if (result == Call::kNothing) {
    scanner->stop();
  } else {
    iterator->cursor = Cursor{call->range.begin, call->pos};
    iterator->endpos = call->reported_end(iterator->cursor);
  }
  return owner.release();
}

PyObject* iterator_next(PyObject* self) {
  MatchIterator* iterator = reinterpret_cast<MatchIterator*>(self);
  if (!iterator->scanner.next()) return nullptr;
  return new_match(self_of(iterator->pattern), iterator->call.subject, iterator->scanner.found(), iterator->call.pos,
                   iterator->endpos, &iterator->cursor);
}

void iterator_dealloc(PyObject* self) {
  MatchIterator* iterator = reinterpret_cast<MatchIterator*>(self);
  PyTypeObject* type = Py_TYPE(self);
  iterator->scanner.~Scanner();
  iterator->call.~Call();
  Py_XDECREF(iterator->string);
  Py_DECREF(iterator->pattern);
  PyObject_Free(self);
  Py_DECREF(type);
}

// Splits at matches that are not empty; groups of the separator are listed too, None where one took no part.
PyObject* pattern_split(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<2> given;
  Py_ssize_t maxsplit = 0;
  Subject subject;
  const Pattern* pattern = self_of(self);
  if (!given.bind("split", {"string", "maxsplit"}, 1, arguments, positional, keywords) || !given.number(1, &maxsplit) ||
      !subject.open(given.value[0], pattern->is_str)) {
    return nullptr;
  }
  Ref parts(PyList_New(0));
  if (!parts) return nullptr;
  Scanner scanner;
  scanner.start(pattern->re, &subject, Range{0, subject.text().size()}, pattern->groups);
  const re2::StringPiece text = subject.text();
  size_t done = 0;
  const auto add = [&](PyObject* part) {
    Ref owned(part);
    return owned && PyList_Append(parts.get(), part) == 0;
  };
  for (Py_ssize_t splits = 0; (maxsplit <= 0 || splits < maxsplit) && scanner.next();) {
    if (scanner.found()[0].empty()) continue;
    if (!add(subject.slice(re2::StringPiece(text.data() + done, scanner.begin() - done)))) return nullptr;
    for (int group = 1; group <= pattern->groups; group++) {
      const re2::StringPiece& found = scanner.found()[group];
      if (!add(found.data() == nullptr ? Py_NewRef(Py_None) : subject.slice(found))) return nullptr;
    }
    done = scanner.end();
    splits++;
  }
  if (!add(subject.slice(re2::StringPiece(text.data() + done, text.size() - done)))) return nullptr;
  return parts.release();
}

PyObject* pattern_scanner(PyObject* self, PyObject* string) {
  Ref re(PyImport_ImportModule("re"));
  Ref compiled(re ? PyObject_CallMethod(re.get(), "compile", "O", self_of(self)->source) : nullptr);
  return compiled ? PyObject_CallMethod(compiled.get(), "scanner", "O", string) : nullptr;
}

PyObject* pattern_dump(PyObject* self, PyObject*) {
  const Pattern* pattern = self_of(self);
  const std::string& source = pattern->re->pattern();
  return pattern->is_str ? PyUnicode_DecodeUTF8(source.data(), source.size(), nullptr)
                         : PyBytes_FromStringAndSize(source.data(), source.size());
}

PyObject* pattern_repr(PyObject* self) {
  const Pattern* pattern = self_of(self);
  if (pattern->flags == 0) return PyUnicode_FromFormat("re2.compile(%R)", pattern->source);
  return PyUnicode_FromFormat("re2.compile(%R, %d)", pattern->source, pattern->flags);
}

PyObject* pattern_reduce(PyObject* self, PyObject*) {
  Ref module(PyImport_ImportModule("re2"));
  Ref compile(module ? PyObject_GetAttrString(module.get(), "compile") : nullptr);
  return compile ? Py_BuildValue("O(Oi)", compile.get(), self_of(self)->source, self_of(self)->flags) : nullptr;
}

constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef pattern_methods[] = {
    {"search", as_method(pattern_search), kFast, "The first Match anywhere in the string, or None."},
    {"match", as_method(pattern_match), kFast, "The Match at the start of the string, or None."},
    {"prefixmatch", as_method(pattern_match), kFast, "The same as match()."},
    {"fullmatch", as_method(pattern_fullmatch), kFast, "The Match of the whole string, or None."},
    {"contains", as_method(pattern_contains), kFast, "Whether the pattern matches anywhere; quicker than search()."},
    {"count", as_method(pattern_count), kFast, "The number of matches that do not overlap."},
    {"findall", as_method(pattern_findall), kFast, "All matches, or their groups if there are any, as a list."},
    {"finditer", as_method(pattern_finditer), kFast, "An iterator over all matches as Match objects."},
    {"split", as_method(pattern_split), kFast, "The string, split where the pattern matches."},
    {"sub", as_method(pattern_sub), kFast, "The string with matches replaced."},
    {"subn", as_method(pattern_subn), kFast, "(string with matches replaced, how many)."},
    {"scanner", pattern_scanner, METH_O, nullptr},
    {"_dump_pattern", pattern_dump, METH_NOARGS, "The pattern as RE2 was given it."},
    {"__reduce__", pattern_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef pattern_members[] = {
    {"pattern", T_OBJECT_EX, offsetof(Pattern, source), READONLY, nullptr},
    {"groupindex", T_OBJECT_EX, offsetof(Pattern, groupindex), READONLY, nullptr},
    {"flags", T_INT, offsetof(Pattern, flags), READONLY, nullptr},
    {"groups", T_INT, offsetof(Pattern, groups), READONLY, nullptr},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Pattern, weakrefs), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot pattern_slots[] = {
    {Py_tp_dealloc, as_slot(pattern_dealloc)},
    {Py_tp_repr, as_slot(pattern_repr)},
    {Py_tp_methods, pattern_methods},
    {Py_tp_members, pattern_members},
    {Py_tp_doc, const_cast<char*>("A compiled pattern; made by compile().")},
    {0, nullptr},
};

PyType_Spec pattern_spec = {"re2.Pattern", sizeof(Pattern), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, pattern_slots};

PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, as_slot(iterator_dealloc)},
    {Py_tp_iter, as_slot(PyObject_SelfIter)},
    {Py_tp_iternext, as_slot(iterator_next)},
    {0, nullptr},
};

PyType_Spec iterator_spec = {"re2._MatchIterator", sizeof(MatchIterator), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, iterator_slots};

}  // namespace

int add_pattern_types(PyObject* module) {
  pattern_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&pattern_spec));
  match_iterator_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&iterator_spec));
  if (pattern_type == nullptr || match_iterator_type == nullptr) return -1;
  return PyModule_AddType(module, pattern_type);
}

}  // namespace re2_module
