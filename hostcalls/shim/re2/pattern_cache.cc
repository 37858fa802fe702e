#include "pattern_cache.h"

#include <string>

#include "fallback.h"
#include "pattern.h"
#include "subject.h"
#include "translate.h"

namespace re2_module {
namespace {

constexpr Py_ssize_t kCacheSize = 100;

PyObject* cache;  // dict: (type, pattern, flags, max_mem, notification) -> compiled; the oldest leaves first

// Errors of RE2 that another engine may not share.
bool may_work_elsewhere(re2::RE2::ErrorCode code) {
  return code == re2::RE2::ErrorBadPerlOp || code == re2::RE2::ErrorRepeatSize || code == re2::RE2::ErrorRepeatOp ||
         code == re2::RE2::ErrorPatternTooLarge;
}

// What the DEBUG flag asks for: shows the pattern as RE2 was given it.
bool print_dump(PyObject* pattern) {
  Ref dump(PyObject_CallMethod(pattern, "_dump_pattern", nullptr));
  if (dump) PySys_FormatStdout("%R\n", dump.get());
  return static_cast<bool>(dump);
}

PyObject* compile_source(PyObject* pattern, int flags, Py_ssize_t max_mem) {
  Subject source;
  if (!source.open(pattern)) return nullptr;
  std::string translated;
  const Translation problem = translate(source.text(), source.is_str(), flags, &translated);
  if (problem == Translation::kUnterminated) {
    raise_error(describe(problem));
    return nullptr;
  }
  if (problem != Translation::kDone) return fall_back(pattern, flags, describe(problem));

  re2::RE2* re = new re2::RE2(translated, options(source.is_str(), flags, max_mem));
  if (!re->ok()) {
    const std::string reason = re->error();
    const bool elsewhere = may_work_elsewhere(re->error_code());
    delete re;
    if (elsewhere) return fall_back(pattern, flags, reason.c_str());
    raise_error(reason.c_str());
    return nullptr;
  }
  Ref made(new_pattern(re, pattern, source.is_str(), flags));
  if (made && (flags & kDebug) && !print_dump(made.get())) return nullptr;
  return made.release();
}

bool remember(PyObject* key, PyObject* compiled) {
  while (PyDict_GET_SIZE(cache) >= kCacheSize) {
    PyObject *oldest, *value;
    Py_ssize_t at = 0;
    if (!PyDict_Next(cache, &at, &oldest, &value)) break;
    Ref held(Py_NewRef(oldest));
    if (PyDict_DelItem(cache, oldest) < 0) return false;
  }
  return PyDict_SetItem(cache, key, compiled) == 0;
}

}  // namespace

bool is_source(PyObject* pattern) {
  if (PyUnicode_Check(pattern) || PyBytes_Check(pattern)) return true;
  PyErr_Format(PyExc_TypeError, "a pattern is str or bytes, not %s", Py_TYPE(pattern)->tp_name);
  return false;
}

PyObject* compile(PyObject* pattern, int flags, Py_ssize_t max_mem) {
  if (!PyUnicode_Check(pattern) && !PyBytes_Check(pattern)) {
    if (!PyObject_TypeCheck(pattern, pattern_type) && !is_foreign_pattern(pattern)) {
      is_source(pattern);
      return nullptr;
    }
    if (flags == 0) return Py_NewRef(pattern);
    PyErr_SetString(PyExc_ValueError, "Cannot process flags argument with a compiled pattern");
    return nullptr;
  }
  if (cache == nullptr && (cache = PyDict_New()) == nullptr) return nullptr;
  Ref key(Py_BuildValue("OOini", Py_TYPE(pattern), pattern, flags, max_mem, current_notification));
  if (!key) return nullptr;
  PyObject* known = PyDict_GetItemWithError(cache, key.get());
  if (known != nullptr) return Py_NewRef(known);
  if (PyErr_Occurred()) return nullptr;
  Ref compiled(compile_source(pattern, flags, max_mem));
  if (!compiled || !remember(key.get(), compiled.get())) return nullptr;
  return compiled.release();
}

void clear_cache() {
  if (cache != nullptr) PyDict_Clear(cache);
}

}  // namespace re2_module
