#include "pattern_set.h"

#include <string>
#include <vector>

#include "pattern_cache.h"
#include "fallback.h"
#include "re2/re2.h"
#include "re2/set.h"
#include "subject.h"
#include "translate.h"

namespace re2_module {
namespace {

PyTypeObject* set_type;

// Names are those of google-re2's Set (Add, Compile, Match, SearchSet, ...), each in lower case as well.
struct PatternSet {
  PyObject_HEAD
  re2::RE2::Set* set;  // made with the first pattern, which says whether all are str or bytes
  Py_ssize_t size;
  Py_ssize_t max_mem;
  int flags;
  re2::RE2::Anchor anchor;
  bool is_str;
  bool compiled;
};

PatternSet* self_of(PyObject* self) { return reinterpret_cast<PatternSet*>(self); }

bool read_anchor(int value, re2::RE2::Anchor* anchor) {
  if (value < re2::RE2::UNANCHORED || value > re2::RE2::ANCHOR_BOTH) {
    PyErr_SetString(PyExc_ValueError, "anchor must be UNANCHORED, ANCHOR_START or ANCHOR_BOTH");
    return false;
  }
  *anchor = static_cast<re2::RE2::Anchor>(value);
  return true;
}

PyObject* make(PyTypeObject* type, re2::RE2::Anchor anchor, int flags, Py_ssize_t max_mem) {
  if (flags & kLocale) {
    raise_error(describe(Translation::kLocaleUnsupported));
    return nullptr;
  }
  PyObject* self = type->tp_alloc(type, 0);  // zeroed
  if (self == nullptr) return nullptr;
  self_of(self)->anchor = anchor;
  self_of(self)->flags = flags;
  self_of(self)->max_mem = max_mem;
  return self;
}

PyObject* set_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* const names[] = {"anchor", "flags", "max_mem", nullptr};
  int anchor = re2::RE2::UNANCHORED, flags = 0;
  Py_ssize_t max_mem = kDefaultMaxMem;
  re2::RE2::Anchor read;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|iin:Set", const_cast<char**>(names), &anchor, &flags,
                                   &max_mem) ||
      !read_anchor(anchor, &read)) {
    return nullptr;
  }
  return make(type, read, flags, max_mem);
}

PyObject* make_anchored(PyObject* type, re2::RE2::Anchor anchor, PyObject* arguments, PyObject* keywords) {
  static const char* const names[] = {"flags", "max_mem", nullptr};
  int flags = 0;
  Py_ssize_t max_mem = kDefaultMaxMem;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|in", const_cast<char**>(names), &flags, &max_mem)) {
    return nullptr;
  }
  return make(reinterpret_cast<PyTypeObject*>(type), anchor, flags, max_mem);
}

PyObject* set_search_set(PyObject* type, PyObject* arguments, PyObject* keywords) {
  return make_anchored(type, re2::RE2::UNANCHORED, arguments, keywords);
}

PyObject* set_match_set(PyObject* type, PyObject* arguments, PyObject* keywords) {
  return make_anchored(type, re2::RE2::ANCHOR_START, arguments, keywords);
}

PyObject* set_full_match_set(PyObject* type, PyObject* arguments, PyObject* keywords) {
  return make_anchored(type, re2::RE2::ANCHOR_BOTH, arguments, keywords);
}

void set_dealloc(PyObject* self) {
  PyTypeObject* type = Py_TYPE(self);
  delete self_of(self)->set;
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* set_add(PyObject* self, PyObject* pattern) {
  PatternSet* set = self_of(self);
  if (set->compiled) {
    PyErr_SetString(PyExc_RuntimeError, "Set.add() after Set.compile()");
    return nullptr;
  }
  if (!is_source(pattern)) return nullptr;
  Subject source;
  if (!source.open(pattern)) return nullptr;
  if (set->set != nullptr && set->is_str != source.is_str()) {
    PyErr_SetString(PyExc_TypeError, "a Set has patterns of str or of bytes, not both");
    return nullptr;
  }
  std::string translated;
  const Translation problem = translate(source.text(), source.is_str(), set->flags, &translated);
  if (problem != Translation::kDone) {
    raise_error(describe(problem));
    return nullptr;
  }
  if (set->set == nullptr) {
    set->is_str = source.is_str();
    set->set = new re2::RE2::Set(options(set->is_str, set->flags, set->max_mem), set->anchor);
  }
  std::string reason;
  const int index = set->set->Add(translated, &reason);
  if (index < 0) {
    raise_error(reason.c_str());
    return nullptr;
  }
  set->size++;
  return PyLong_FromLong(index);
}

PyObject* set_compile(PyObject* self, PyObject*) {
  PatternSet* set = self_of(self);
  if (set->compiled) {
    PyErr_SetString(PyExc_RuntimeError, "Set.compile() called twice");
    return nullptr;
  }
  set->compiled = true;
  if (set->set != nullptr && !set->set->Compile()) {
    delete set->set;
    set->set = nullptr;
    set->compiled = false;
    set->size = 0;
    raise_error("the patterns of the Set need more than max_mem; it is empty again");
    return nullptr;
  }
  Py_RETURN_NONE;
}

// Opens the text of a match. False with an exception set.
bool open_text(const PatternSet* set, PyObject* object, Subject* subject) {
  if (!set->compiled) {
    PyErr_SetString(PyExc_RuntimeError, "Set.match() before Set.compile()");
    return false;
  }
  // UTF-8 in a bytes-like object is as good as a str; the other way round there is nothing to compare.
  if (set->set != nullptr && !set->is_str && PyUnicode_Check(object)) {
    PyErr_SetString(PyExc_TypeError, "can't use bytes patterns on a string-like object");
    return false;
  }
  return subject->open(object);
}

enum class Outcome { kNone, kSome, kFailed };

// One pass; with `indices` it goes on to the end of the text, else it stops at the first match and allocates nothing.
Outcome run(const PatternSet* set, const Subject& subject, std::vector<int>* indices) {
  if (set->set == nullptr) return Outcome::kNone;
  re2::RE2::Set::ErrorInfo error = {re2::RE2::Set::kNoError};
  if (set->set->Match(subject.text(), indices, &error)) return Outcome::kSome;
  if (error.kind == re2::RE2::Set::kNoError) return Outcome::kNone;
  PyErr_Format(PyExc_MemoryError, "a Set of %zd patterns needs more than max_mem = %zd bytes for this text", set->size,
               set->max_mem);
  return Outcome::kFailed;
}

PyObject* set_match(PyObject* self, PyObject* object) {
  const PatternSet* set = self_of(self);
  Subject subject;
  if (!open_text(set, object, &subject)) return nullptr;
  // Most texts are clean. Those are told apart without memory for indices; only the others are read twice.
  Outcome outcome = run(set, subject, nullptr);
  std::vector<int> indices;
  if (outcome == Outcome::kSome) outcome = run(set, subject, &indices);
  if (outcome == Outcome::kFailed) return nullptr;
  Ref result(PyList_New(indices.size()));
  if (!result) return nullptr;
  for (size_t i = 0; i < indices.size(); i++) {
    PyObject* index = PyLong_FromLong(indices[i]);
    if (index == nullptr) return nullptr;
    PyList_SET_ITEM(result.get(), i, index);
  }
  return PyList_Sort(result.get()) < 0 ? nullptr : result.release();
}

PyObject* set_contains(PyObject* self, PyObject* object) {
  const PatternSet* set = self_of(self);
  Subject subject;
  if (!open_text(set, object, &subject)) return nullptr;
  const Outcome outcome = run(set, subject, nullptr);
  return outcome == Outcome::kFailed ? nullptr : PyBool_FromLong(outcome == Outcome::kSome);
}

Py_ssize_t set_length(PyObject* self) { return self_of(self)->size; }

const char kAddDoc[] = "Adds a pattern (str or bytes, one kind for a Set) and returns its index. Raises re2.error.";
const char kCompileDoc[] = "Ends adding; to be called once, before match().";
const char kMatchDoc[] = "The sorted indices of all patterns that match the str or bytes-like object.";

PyMethodDef set_methods[] = {
    {"add", set_add, METH_O, kAddDoc},
    {"Add", set_add, METH_O, kAddDoc},
    {"compile", set_compile, METH_NOARGS, kCompileDoc},
    {"Compile", set_compile, METH_NOARGS, kCompileDoc},
    {"match", set_match, METH_O, kMatchDoc},
    {"Match", set_match, METH_O, kMatchDoc},
    {"contains", set_contains, METH_O, "Whether any pattern matches; reads no further than it must."},
    {"SearchSet", as_method(set_search_set), METH_CLASS | METH_VARARGS | METH_KEYWORDS, "Set(UNANCHORED)."},
    {"MatchSet", as_method(set_match_set), METH_CLASS | METH_VARARGS | METH_KEYWORDS, "Set(ANCHOR_START)."},
    {"FullMatchSet", as_method(set_full_match_set), METH_CLASS | METH_VARARGS | METH_KEYWORDS, "Set(ANCHOR_BOTH)."},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot set_slots[] = {
    {Py_tp_new, as_slot(set_new)},
    {Py_tp_dealloc, as_slot(set_dealloc)},
    {Py_tp_methods, set_methods},
    {Py_sq_length, as_slot(set_length)},
    {Py_tp_doc, const_cast<char*>("Set(anchor=UNANCHORED, flags=0, max_mem=8388608)\n\n"
                                  "Many patterns, matched in one pass. Flags are those of compile(); max_mem bounds, in\n"
                                  "bytes, what RE2 may keep for it. There is no fallback: what RE2 does not know raises.")},
    {0, nullptr},
};

PyType_Spec set_spec = {"re2.Set", sizeof(PatternSet), 0, Py_TPFLAGS_DEFAULT, set_slots};

}  // namespace

int add_set_type(PyObject* module) {
  set_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&set_spec));
  if (set_type == nullptr || PyModule_AddType(module, set_type) < 0) return -1;
  if (PyModule_AddIntConstant(module, "UNANCHORED", re2::RE2::UNANCHORED) < 0 ||
      PyModule_AddIntConstant(module, "ANCHOR_START", re2::RE2::ANCHOR_START) < 0 ||
      PyModule_AddIntConstant(module, "ANCHOR_BOTH", re2::RE2::ANCHOR_BOTH) < 0) {
    return -1;
  }
  return 0;
}

}  // namespace re2_module
