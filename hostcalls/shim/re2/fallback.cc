#include "fallback.h"

#include <stddef.h>
#include <structmember.h>

#include "pattern_cache.h"

namespace re2_module {

int current_notification = kQuietly;

static PyObject* the_error_class;
static PyObject* fallback_module;  // nullptr: re, not yet imported
static PyTypeObject* fallback_type;

// New reference to the module that takes over.
static PyObject* take_over_module() {
  return fallback_module != nullptr ? Py_NewRef(fallback_module) : PyImport_ImportModule("re");
}

PyObject* attribute_of_re(const char* name) {
  Ref re(PyImport_ImportModule("re"));
  return re ? PyObject_GetAttrString(re.get(), name) : nullptr;
}

PyObject* error_class() {
  if (the_error_class != nullptr) return the_error_class;
  the_error_class = attribute_of_re("error");
  if (the_error_class == nullptr && PyErr_ExceptionMatches(PyExc_ImportError)) {
    PyErr_Clear();
    Ref attributes(Py_BuildValue("{sOsOsOsOsO}", "msg", Py_None, "pattern", Py_None, "pos", Py_None, "lineno", Py_None,
                                 "colno", Py_None));
    if (attributes) {
      the_error_class = PyErr_NewExceptionWithDoc("re2.error", "An invalid pattern or template.", nullptr, attributes.get());
    }
  }
  return the_error_class;
}

bool raise_error(const char* message) {
  PyObject* type = error_class();
  if (type == nullptr) return false;
  Ref text(PyUnicode_DecodeUTF8(message, strlen(message), "replace"));
  Ref error(text ? PyObject_CallOneArg(type, text.get()) : nullptr);
  if (error && PyObject_SetAttrString(error.get(), "msg", text.get()) == 0) PyErr_SetObject(type, error.get());
  return false;
}

namespace {

// Delegates to the pattern of the other module and adds what pyre2 has beyond re: contains() and count().
struct FallbackPattern {
  PyObject_HEAD
  PyObject* inner;
  PyObject* source;
  PyObject* flags;
  PyObject* groupindex;
  PyObject* groups;
};

FallbackPattern* self_of(PyObject* self) { return reinterpret_cast<FallbackPattern*>(self); }

PyObject* make(PyTypeObject* type, PyObject* pattern, PyObject* flags) {
  Ref module(take_over_module());
  if (!module) return nullptr;
  Ref inner(PyObject_CallMethod(module.get(), "compile", "OO", pattern, flags));
  Ref groupindex(inner ? PyObject_GetAttrString(inner.get(), "groupindex") : nullptr);
  Ref groups(groupindex ? PyObject_GetAttrString(inner.get(), "groups") : nullptr);
  PyObject* self = groups ? type->tp_alloc(type, 0) : nullptr;
  if (self == nullptr) return nullptr;
  FallbackPattern* made = self_of(self);
  made->inner = inner.release();
  made->source = Py_NewRef(pattern);
  made->flags = Py_NewRef(flags);
  made->groupindex = groupindex.release();
  made->groups = groups.release();
  return self;
}

PyObject* fallback_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* const names[] = {"pattern", "flags", nullptr};
  PyObject *pattern, *flags = nullptr;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O|O", const_cast<char**>(names), &pattern, &flags)) {
    return nullptr;
  }
  Ref zero(PyLong_FromLong(0));
  if (!zero) return nullptr;
  return make(type, pattern, flags == nullptr || flags == Py_None ? zero.get() : flags);
}

void fallback_dealloc(PyObject* self) {
  FallbackPattern* pattern = self_of(self);
  PyTypeObject* type = Py_TYPE(self);
  Py_XDECREF(pattern->inner);
  Py_XDECREF(pattern->source);
  Py_XDECREF(pattern->flags);
  Py_XDECREF(pattern->groupindex);
  Py_XDECREF(pattern->groups);
  type->tp_free(self);
  Py_DECREF(type);
}

PyObject* delegate(PyObject* self, const char* method, PyObject* arguments, PyObject* keywords) {
  Ref bound(PyObject_GetAttrString(self_of(self)->inner, method));
  return bound ? PyObject_Call(bound.get(), arguments, keywords) : nullptr;
}

#define DELEGATE(name, method)                                                               \
  PyObject* fallback_##name(PyObject* self, PyObject* arguments, PyObject* keywords) {       \
    return delegate(self, method, arguments, keywords);                                      \
  }
DELEGATE(findall, "findall")
DELEGATE(finditer, "finditer")
DELEGATE(fullmatch, "fullmatch")
DELEGATE(match, "match")
DELEGATE(scanner, "scanner")
DELEGATE(search, "search")
DELEGATE(split, "split")
DELEGATE(sub, "sub")
DELEGATE(subn, "subn")
#undef DELEGATE

PyObject* fallback_contains(PyObject* self, PyObject* arguments, PyObject* keywords) {
  Ref match(delegate(self, "search", arguments, keywords));
  return match ? PyBool_FromLong(match.get() != Py_None) : nullptr;
}

PyObject* fallback_count(PyObject* self, PyObject* arguments, PyObject* keywords) {
  Ref all(delegate(self, "findall", arguments, keywords));
  return all ? PyLong_FromSsize_t(PyObject_Size(all.get())) : nullptr;
}

PyObject* fallback_repr(PyObject* self) { return PyObject_Repr(self_of(self)->inner); }

PyObject* fallback_reduce(PyObject* self, PyObject*) {
  return Py_BuildValue("O(OO)", Py_TYPE(self), self_of(self)->source, self_of(self)->flags);
}

constexpr int kAnyCall = METH_VARARGS | METH_KEYWORDS;

PyMethodDef fallback_methods[] = {
    {"contains", as_method(fallback_contains), kAnyCall, "Whether the pattern matches anywhere."},
    {"count", as_method(fallback_count), kAnyCall, "How many matches findall() would return."},
    {"findall", as_method(fallback_findall), kAnyCall, nullptr},
    {"finditer", as_method(fallback_finditer), kAnyCall, nullptr},
    {"fullmatch", as_method(fallback_fullmatch), kAnyCall, nullptr},
    {"match", as_method(fallback_match), kAnyCall, nullptr},
    {"prefixmatch", as_method(fallback_match), kAnyCall, nullptr},
    {"scanner", as_method(fallback_scanner), kAnyCall, nullptr},
    {"search", as_method(fallback_search), kAnyCall, nullptr},
    {"split", as_method(fallback_split), kAnyCall, nullptr},
    {"sub", as_method(fallback_sub), kAnyCall, nullptr},
    {"subn", as_method(fallback_subn), kAnyCall, nullptr},
    {"__reduce__", fallback_reduce, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef fallback_members[] = {
    {"_pattern", T_OBJECT_EX, offsetof(FallbackPattern, inner), READONLY, nullptr},
    {"pattern", T_OBJECT_EX, offsetof(FallbackPattern, source), READONLY, nullptr},
    {"flags", T_OBJECT_EX, offsetof(FallbackPattern, flags), READONLY, nullptr},
    {"groupindex", T_OBJECT_EX, offsetof(FallbackPattern, groupindex), READONLY, nullptr},
    {"groups", T_OBJECT_EX, offsetof(FallbackPattern, groups), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot fallback_slots[] = {
    {Py_tp_new, as_slot(fallback_new)},
    {Py_tp_dealloc, as_slot(fallback_dealloc)},
    {Py_tp_repr, as_slot(fallback_repr)},
    {Py_tp_methods, fallback_methods},
    {Py_tp_members, fallback_members},
    {Py_tp_doc, const_cast<char*>("A pattern that RE2 can't run, compiled by the fallback module.")},
    {0, nullptr},
};

PyType_Spec fallback_spec = {"re2.FallbackPattern", sizeof(FallbackPattern), 0, Py_TPFLAGS_DEFAULT, fallback_slots};

// RE2 can't, and nothing else is there: says both.
bool raise_no_fallback(const char* reason) {
  PyErr_Clear();
  Ref message(PyUnicode_FromFormat("%s (and module re, which could run the pattern, can't be imported)", reason));
  const char* text = message ? PyUnicode_AsUTF8(message.get()) : nullptr;
  return text != nullptr && raise_error(text);
}

}  // namespace

bool is_foreign_pattern(PyObject* object) {
  if (PyObject_TypeCheck(object, fallback_type)) return true;
  // A pattern of re can only be here if re is.
  Ref name(PyUnicode_FromString("re"));
  Ref re(name ? PyImport_GetModule(name.get()) : nullptr);
  Ref type(re ? PyObject_GetAttrString(re.get(), "Pattern") : nullptr);
  const int is = type ? PyObject_IsInstance(object, type.get()) : 0;
  if (!type || is < 0) PyErr_Clear();
  return is == 1;
}

PyObject* fall_back(PyObject* pattern, int flags, const char* reason) {
  if (current_notification == kException) {
    raise_error(reason);
    return nullptr;
  }
  Ref module(take_over_module());
  if (!module) {
    if (PyErr_ExceptionMatches(PyExc_ImportError)) raise_no_fallback(reason);
    return nullptr;
  }
  if (current_notification == kWarning) {
    const char* name = PyModule_GetName(module.get());
    if (name == nullptr || PyErr_WarnFormat(PyExc_UserWarning, 1, "WARNING: Using %s module. Reason: %s", name, reason) < 0) {
      return nullptr;
    }
  }
  Ref number(PyLong_FromLong(flags));
  return number ? make(fallback_type, pattern, number.get()) : nullptr;
}

PyObject* set_fallback_module(PyObject*, PyObject* module) {
  if (!PyModule_Check(module)) {
    PyErr_SetString(PyExc_TypeError, "fallback is not a module");
    return nullptr;
  }
  Ref compile(PyObject_GetAttrString(module, "compile"));
  if (!compile || !PyCallable_Check(compile.get())) {
    PyErr_Clear();
    PyErr_SetString(PyExc_ValueError, "fallback module does not contain compile method");
    return nullptr;
  }
  if (module != fallback_module) clear_cache();  // it may hold patterns of the other module
  Ref(std::exchange(fallback_module, Py_NewRef(module)));
  Py_RETURN_NONE;
}

PyObject* set_fallback_notification(PyObject*, PyObject* level) {
  const long value = PyLong_AsLong(level);
  if (value == -1 && PyErr_Occurred()) return nullptr;
  if (value < kQuietly || value > kException) {
    PyErr_SetString(PyExc_ValueError, "This function expects a valid notification level.");
    return nullptr;
  }
  current_notification = static_cast<int>(value);
  Py_RETURN_NONE;
}

int add_fallback_type(PyObject* module) {
  fallback_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&fallback_spec));
  if (fallback_type == nullptr) return -1;
  return PyModule_AddType(module, fallback_type);
}

}  // namespace re2_module
