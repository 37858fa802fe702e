#include "match.h"

#include <stddef.h>
#include <structmember.h>

#include "template.h"

namespace re2_module {

static PyTypeObject* match_type;

PyObject* new_match(Pattern* pattern, const Subject& subject, const Submatches& found, Py_ssize_t pos,
                    Py_ssize_t endpos, Cursor* cursor) {
  const char* start = subject.text().data();
  Match* match = PyObject_NewVar(Match, match_type, pattern->groups + 1);
  if (match == nullptr) return nullptr;
  match->pattern = reinterpret_cast<Pattern*>(Py_NewRef(reinterpret_cast<PyObject*>(pattern)));
  match->string = Py_NewRef(subject.object());
  match->pos = pos;
  match->endpos = endpos;
  match->regs = nullptr;
  for (int group = 0; group <= pattern->groups; group++) {
    Span& span = match->spans[group];
    if (found[group].data() == nullptr) {
      span = {-1, -1};
    } else {
      const size_t begin = found[group].data() - start;
      span.begin = cursor->advance(subject, begin);
      span.end = cursor->advance(subject, begin + found[group].size());
    }
  }
  if (subject.is_str() || PyBytes_Check(subject.object())) {
    match->text = Py_NewRef(subject.object());
    match->base = 0;
  } else {
    match->text = PyBytes_FromStringAndSize(found[0].data(), found[0].size());
    match->base = match->spans[0].begin;
    if (match->text == nullptr) {
      Py_DECREF(match);
      return nullptr;
    }
  }
  return reinterpret_cast<PyObject*>(match);
}

namespace {

Match* self_of(PyObject* self) { return reinterpret_cast<Match*>(self); }

void match_dealloc(PyObject* self) {
  Match* match = self_of(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(match->regs);
  Py_XDECREF(match->text);
  Py_DECREF(match->string);
  Py_DECREF(reinterpret_cast<PyObject*>(match->pattern));
  PyObject_Free(self);
  Py_DECREF(type);
}

PyObject* no_such_group(const Match* match, PyObject* key) {
  if (PyIndex_Check(key)) {
    PyErr_Format(PyExc_IndexError, "no such group %S; available groups: 0 to %d", key, match->pattern->groups);
  } else {
    Ref names(PyDict_Keys(match->pattern->groupindex));
    if (names) PyErr_Format(PyExc_IndexError, "no such group %R; available groups: %R", key, names.get());
  }
  return nullptr;
}

// The number of the group that a caller names by number or name, or -1 with IndexError set.
Py_ssize_t group_number(const Match* match, PyObject* key) {
  Py_ssize_t number = -1;
  PyObject* index = key;
  if (!PyIndex_Check(key)) {
    index = PyDict_GetItemWithError(match->pattern->groupindex, key);
    if (index == nullptr && PyErr_Occurred()) return -1;
  }
  if (index != nullptr) {
    number = PyNumber_AsSsize_t(index, nullptr);
    if (number == -1 && PyErr_Occurred()) return -1;
  }
  if (number >= 0 && number <= match->pattern->groups) return number;
  no_such_group(match, key);
  return -1;
}

PyObject* group_or(const Match* match, Py_ssize_t number, PyObject* fallback) {
  const Span& span = match->spans[number];
  if (span.begin < 0) return Py_NewRef(fallback);
  const Py_ssize_t begin = span.begin - match->base, end = span.end - match->base;
  if (PyUnicode_Check(match->text)) return PyUnicode_Substring(match->text, begin, end);
  return PyBytes_FromStringAndSize(PyBytes_AS_STRING(match->text) + begin, end - begin);
}

PyObject* match_group(PyObject* self, PyObject* const* arguments, Py_ssize_t count) {
  const Match* match = self_of(self);
  if (count == 0) return group_or(match, 0, Py_None);
  if (count == 1) {
    const Py_ssize_t number = group_number(match, arguments[0]);
    return number < 0 ? nullptr : group_or(match, number, Py_None);
  }
  Ref result(PyTuple_New(count));
  if (!result) return nullptr;
  for (Py_ssize_t i = 0; i < count; i++) {
    const Py_ssize_t number = group_number(match, arguments[i]);
    PyObject* group = number < 0 ? nullptr : group_or(match, number, Py_None);
    if (group == nullptr) return nullptr;
    PyTuple_SET_ITEM(result.get(), i, group);
  }
  return result.release();
}

PyObject* match_getitem(PyObject* self, PyObject* key) { return match_group(self, &key, 1); }

PyObject* match_groups(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<1> given;
  if (!given.bind("groups", {"default"}, 0, arguments, positional, keywords)) return nullptr;
  const Match* match = self_of(self);
  Ref result(PyTuple_New(match->pattern->groups));
  if (!result) return nullptr;
  for (int group = 1; group <= match->pattern->groups; group++) {
    PyObject* value = group_or(match, group, given.value[0] ? given.value[0] : Py_None);
    if (value == nullptr) return nullptr;
    PyTuple_SET_ITEM(result.get(), group - 1, value);
  }
  return result.release();
}

PyObject* match_groupdict(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<1> given;
  if (!given.bind("groupdict", {"default"}, 0, arguments, positional, keywords)) return nullptr;
  const Match* match = self_of(self);
  Ref result(PyDict_New());
  if (!result) return nullptr;
  PyObject *name, *number;
  for (Py_ssize_t at = 0; PyDict_Next(match->pattern->groupindex, &at, &name, &number);) {
    const Py_ssize_t group = group_number(match, number);
    if (group < 0) return nullptr;
    Ref value(group_or(match, group, given.value[0] ? given.value[0] : Py_None));
    if (!value || PyDict_SetItem(result.get(), name, value.get()) < 0) return nullptr;
  }
  return result.release();
}

// The span that the arguments of start(), end() and span() ask for.
const Span* asked_span(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords,
                       const char* function) {
  Arguments<1> given;
  if (!given.bind(function, {"group"}, 0, arguments, positional, keywords)) return nullptr;
  const Match* match = self_of(self);
  const Py_ssize_t number = given.value[0] == nullptr ? 0 : group_number(match, given.value[0]);
  return number < 0 ? nullptr : &match->spans[number];
}

PyObject* span_tuple(const Span& span) { return Py_BuildValue("nn", span.begin, span.end); }

PyObject* match_span(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  const Span* span = asked_span(self, arguments, positional, keywords, "span");
  return span == nullptr ? nullptr : span_tuple(*span);
}

PyObject* match_start(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  const Span* span = asked_span(self, arguments, positional, keywords, "start");
  return span == nullptr ? nullptr : PyLong_FromSsize_t(span->begin);
}

PyObject* match_end(PyObject* self, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  const Span* span = asked_span(self, arguments, positional, keywords, "end");
  return span == nullptr ? nullptr : PyLong_FromSsize_t(span->end);
}

PyObject* match_expand(PyObject* self, PyObject* argument) {
  Match* match = self_of(self);
  if (PyUnicode_Check(argument) != match->pattern->is_str) {
    PyErr_SetString(PyExc_ValueError, match->pattern->is_str ? "cannot expand bytes template on unicode pattern"
                                                             : "cannot expand unicode template on bytes pattern");
    return nullptr;
  }
  Template expansion;
  if (!expansion.parse(argument, match->pattern)) return nullptr;
  Output output;
  for (const Template::Piece& piece : expansion.pieces()) {
    if (piece.group < 0) {
      if (!output.append(expansion.literal(piece))) return nullptr;
      continue;
    }
    if (match->spans[piece.group].begin < 0) continue;
    Ref group(group_or(match, piece.group, Py_None));
    Subject value;
    if (!group || !value.open(group.get()) || !output.append(value.text())) return nullptr;
  }
  return output.finish(match->pattern->is_str);
}

PyObject* match_regs(PyObject* self, void*) {
  Match* match = self_of(self);
  if (match->regs == nullptr) {
    Ref regs(PyTuple_New(match->pattern->groups + 1));
    if (!regs) return nullptr;
    for (int group = 0; group <= match->pattern->groups; group++) {
      PyObject* span = span_tuple(match->spans[group]);
      if (span == nullptr) return nullptr;
      PyTuple_SET_ITEM(regs.get(), group, span);
    }
    match->regs = regs.release();
  }
  return Py_NewRef(match->regs);
}

// pyre2's rule: of the groups that end furthest to the right the first one, or 0.
int last_index(const Match* match) {
  int last = 0;
  Py_ssize_t end = -1;
  for (int group = 1; group <= match->pattern->groups; group++) {
    if (match->spans[group].end > end) {
      end = match->spans[group].end;
      last = group;
    }
  }
  return last;
}

PyObject* match_lastindex(PyObject* self, void*) {
  const int last = last_index(self_of(self));
  return last == 0 ? Py_NewRef(Py_None) : PyLong_FromLong(last);
}

PyObject* match_lastgroup(PyObject* self, void*) {
  const Match* match = self_of(self);
  const int last = last_index(match);
  PyObject *name, *number;
  for (Py_ssize_t at = 0; PyDict_Next(match->pattern->groupindex, &at, &name, &number);) {
    if (PyLong_AsLong(number) == last) return Py_NewRef(name);
  }
  return PyErr_Occurred() ? nullptr : Py_NewRef(Py_None);
}

PyObject* match_repr(PyObject* self) {
  const Match* match = self_of(self);
  Ref group(group_or(match, 0, Py_None));
  if (!group) return nullptr;
  return PyUnicode_FromFormat("<re2.Match object; span=(%zd, %zd), match=%R>", match->spans[0].begin,
                              match->spans[0].end, group.get());
}

PyMethodDef match_methods[] = {
    {"group", as_method(match_group), METH_FASTCALL, "One or more groups, by number or name; the whole match is 0."},
    {"groups", as_method(match_groups), METH_FASTCALL | METH_KEYWORDS, "All groups as a tuple."},
    {"groupdict", as_method(match_groupdict), METH_FASTCALL | METH_KEYWORDS, "The named groups as a dict."},
    {"start", as_method(match_start), METH_FASTCALL | METH_KEYWORDS, "Where a group starts, or -1."},
    {"end", as_method(match_end), METH_FASTCALL | METH_KEYWORDS, "Where a group ends, or -1."},
    {"span", as_method(match_span), METH_FASTCALL | METH_KEYWORDS, "(start, end) of a group."},
    {"expand", match_expand, METH_O, "The template with its references replaced by groups, as sub() does."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef match_members[] = {
    {"re", T_OBJECT_EX, offsetof(Match, pattern), READONLY, nullptr},
    {"string", T_OBJECT_EX, offsetof(Match, string), READONLY, nullptr},
    {"pos", T_PYSSIZET, offsetof(Match, pos), READONLY, nullptr},
    {"endpos", T_PYSSIZET, offsetof(Match, endpos), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyGetSetDef match_getset[] = {
    {"regs", match_regs, nullptr, nullptr, nullptr},
    {"lastindex", match_lastindex, nullptr, nullptr, nullptr},
    {"lastgroup", match_lastgroup, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyType_Slot match_slots[] = {
    {Py_tp_dealloc, as_slot(match_dealloc)},  {Py_tp_repr, as_slot(match_repr)},
    {Py_mp_subscript, as_slot(match_getitem)}, {Py_tp_methods, match_methods},
    {Py_tp_members, match_members},           {Py_tp_getset, match_getset},
    {0, nullptr},
};

PyType_Spec match_spec = {"re2.Match", offsetof(Match, spans), sizeof(Span),
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, match_slots};

}  // namespace

int add_match_type(PyObject* module) {
  match_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&match_spec));
  if (match_type == nullptr) return -1;
  return PyModule_AddType(module, match_type);
}

}  // namespace re2_module
