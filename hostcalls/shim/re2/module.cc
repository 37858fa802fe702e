// The module `re2`: pyre2's interface on RE2, and a Set.

#include "pattern_cache.h"
#include "fallback.h"
#include "match.h"
#include "pattern.h"
#include "pattern_set.h"
#include "python.h"
#include "subject.h"
#include "template.h"
#include "translate.h"

namespace re2_module {
namespace {

PyObject* module_compile(PyObject*, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<3> given;
  int flags = 0;
  Py_ssize_t max_mem = kDefaultMaxMem;
  if (!given.bind("compile", {"pattern", "flags", "max_mem"}, 1, arguments, positional, keywords) ||
      !given.number(1, &flags) || !given.number(2, &max_mem)) {
    return nullptr;
  }
  return compile(given.value[0], flags, max_mem);
}

// search() and its like: compile(pattern, flags).method(string).
PyObject* run(const char* method, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<3> given;
  int flags = 0;
  if (!given.bind(method, {"pattern", "string", "flags"}, 2, arguments, positional, keywords) ||
      !given.number(2, &flags)) {
    return nullptr;
  }
  Ref pattern(compile(given.value[0], flags));
  return pattern ? PyObject_CallMethod(pattern.get(), method, "O", given.value[1]) : nullptr;
}

#define RUN(name)                                                                                                     \
  PyObject* module_##name(PyObject*, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {         \
    return run(#name, arguments, positional, keywords);                                                              \
  }
RUN(search)
RUN(match)
RUN(prefixmatch)
RUN(fullmatch)
RUN(contains)
RUN(count)
RUN(findall)
RUN(finditer)
#undef RUN

PyObject* module_split(PyObject*, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<4> given;
  Py_ssize_t maxsplit = 0;
  int flags = 0;
  if (!given.bind("split", {"pattern", "string", "maxsplit", "flags"}, 2, arguments, positional, keywords) ||
      !given.number(2, &maxsplit) || !given.number(3, &flags)) {
    return nullptr;
  }
  Ref pattern(compile(given.value[0], flags));
  return pattern ? PyObject_CallMethod(pattern.get(), "split", "On", given.value[1], maxsplit) : nullptr;
}

PyObject* replace(const char* method, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  Arguments<5> given;
  Py_ssize_t count = 0;
  int flags = 0;
  if (!given.bind(method, {"pattern", "repl", "string", "count", "flags"}, 3, arguments, positional, keywords) ||
      !given.number(3, &count) || !given.number(4, &flags)) {
    return nullptr;
  }
  Ref pattern(compile(given.value[0], flags));
  return pattern ? PyObject_CallMethod(pattern.get(), method, "OOn", given.value[1], given.value[2], count) : nullptr;
}

PyObject* module_sub(PyObject*, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  return replace("sub", arguments, positional, keywords);
}

PyObject* module_subn(PyObject*, PyObject* const* arguments, Py_ssize_t positional, PyObject* keywords) {
  return replace("subn", arguments, positional, keywords);
}

// Only ASCII is escaped, so a str can be worked on as UTF-8.
PyObject* module_escape(PyObject*, PyObject* pattern) {
  Subject subject;
  if (!subject.open(pattern)) return nullptr;
  Output output;
  for (const char& c : subject.text()) {
    const char lower = c | 32;
    const bool plain = static_cast<unsigned char>(c) >= 0x80 || ('0' <= c && c <= '9') || ('a' <= lower && lower <= 'z');
    if (c == '\0') {
      if (!output.append("\\000")) return nullptr;
    } else if ((!plain && !output.append("\\")) || !output.append(re2::StringPiece(&c, 1))) {
      return nullptr;
    }
  }
  return output.finish(subject.is_str());
}

PyObject* module_purge(PyObject*, PyObject*) {
  clear_cache();
  Py_RETURN_NONE;
}

// Names that need the module re, imported when they are first asked for.
PyObject* module_getattr(PyObject*, PyObject* name) {
  for (const char* error : {"error", "RegexError", "PatternError"}) {
    if (PyUnicode_CompareWithASCIIString(name, error) == 0) return Py_XNewRef(error_class());
  }
  if (PyUnicode_CompareWithASCIIString(name, "RegexFlag") == 0) return attribute_of_re("RegexFlag");
  if (PyUnicode_CompareWithASCIIString(name, "SREPattern") == 0) return attribute_of_re("Pattern");
  PyErr_Format(PyExc_AttributeError, "module 're2' has no attribute '%U'", name);
  return nullptr;
}

constexpr int kFast = METH_FASTCALL | METH_KEYWORDS;

PyMethodDef functions[] = {
    {"compile", as_method(module_compile), kFast, "compile(pattern, flags=0, max_mem=8388608): a Pattern, cached."},
    {"search", as_method(module_search), kFast, "The first Match of a pattern anywhere in a string, or None."},
    {"match", as_method(module_match), kFast, "The Match of a pattern at the start of a string, or None."},
    {"prefixmatch", as_method(module_prefixmatch), kFast, "The same as match()."},
    {"fullmatch", as_method(module_fullmatch), kFast, "The Match of a pattern with a whole string, or None."},
    {"contains", as_method(module_contains), kFast, "Whether a pattern matches anywhere in a string."},
    {"count", as_method(module_count), kFast, "The number of matches in a string."},
    {"findall", as_method(module_findall), kFast, "All matches in a string as a list."},
    {"finditer", as_method(module_finditer), kFast, "An iterator over all matches in a string."},
    {"split", as_method(module_split), kFast, "A string, split where a pattern matches."},
    {"sub", as_method(module_sub), kFast, "A string with matches replaced."},
    {"subn", as_method(module_subn), kFast, "(string with matches replaced, how many)."},
    {"escape", module_escape, METH_O, "A pattern that matches just this string."},
    {"purge", module_purge, METH_NOARGS, "Forgets all compiled patterns."},
    {"set_fallback_module", set_fallback_module, METH_O, "The module that runs what RE2 can't; re unless told."},
    {"set_fallback_notification", set_fallback_notification, METH_O,
     "What happens on a fallback: FALLBACK_QUIETLY, FALLBACK_WARNING or FALLBACK_EXCEPTION."},
    {"__getattr__", module_getattr, METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

const struct {
  const char* name;
  int value;
} kConstants[] = {
    {"NOFLAG", 0},
    {"I", kIgnoreCase}, {"IGNORECASE", kIgnoreCase},
    {"L", kLocale}, {"LOCALE", kLocale},
    {"M", kMultiLine}, {"MULTILINE", kMultiLine},
    {"S", kDotAll}, {"DOTALL", kDotAll},
    {"U", kUnicode}, {"UNICODE", kUnicode},
    {"X", kVerbose}, {"VERBOSE", kVerbose},
    {"A", kAscii}, {"ASCII", kAscii},
    {"DEBUG", kDebug},
    {"FALLBACK_QUIETLY", kQuietly},
    {"FALLBACK_WARNING", kWarning},
    {"FALLBACK_EXCEPTION", kException},
    {"VERSION_HEX", 0x000217},  // of pyre2's interface
};

int add_constants(PyObject* module) {
  for (const auto& constant : kConstants) {
    if (PyModule_AddIntConstant(module, constant.name, constant.value) < 0) return -1;
  }
  Ref version(Py_BuildValue("iii", 0, 2, 23));
  return version ? PyModule_AddObjectRef(module, "VERSION", version.get()) : -1;
}

int add_exception(PyObject* module, const char* full_name, const char* name, const char* doc) {
  Ref exception(PyErr_NewExceptionWithDoc(full_name, doc, nullptr, nullptr));
  return exception ? PyModule_AddObjectRef(module, name, exception.get()) : -1;
}

// For `from re2 import *`: what pyre2 lists, and the Set.
int add_all(PyObject* module) {
  Ref names(Py_BuildValue(
      "[sssssssssssssssssssssssssssssssssssssssssss]", "BackreferencesException", "CharClassProblemException",
      "PatternError", "RegexError", "error", "FALLBACK_EXCEPTION", "FALLBACK_QUIETLY", "FALLBACK_WARNING", "DEBUG", "S",
      "DOTALL", "I", "IGNORECASE", "L", "LOCALE", "M", "MULTILINE", "U", "UNICODE", "X", "VERBOSE", "VERSION",
      "VERSION_HEX", "NOFLAG", "RegexFlag", "Match", "Pattern", "SREPattern", "Set", "compile", "count", "escape",
      "findall", "finditer", "fullmatch", "match", "prefixmatch", "purge", "search", "split", "sub", "subn",
      "set_fallback_notification"));
  return names ? PyModule_AddObjectRef(module, "__all__", names.get()) : -1;
}

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "re2", "Regular expressions in linear time: RE2 behind the interface of re.",
    -1, functions, nullptr, nullptr, nullptr, nullptr,
};

}  // namespace
}  // namespace re2_module

PyMODINIT_FUNC PyInit_re2() {
  using namespace re2_module;
  Ref module(PyModule_Create(&definition));
  if (!module || add_pattern_types(module.get()) < 0 || add_match_type(module.get()) < 0 ||
      add_fallback_type(module.get()) < 0 || add_set_type(module.get()) < 0 || add_constants(module.get()) < 0 ||
      add_exception(module.get(), "re2.BackreferencesException", "BackreferencesException",
                    "Search pattern contains backreferences.") < 0 ||
      add_exception(module.get(), "re2.CharClassProblemException", "CharClassProblemException",
                    "Search pattern contains unsupported character class.") < 0 ||
      add_all(module.get()) < 0) {
    return nullptr;
  }
  return module.release();
}
