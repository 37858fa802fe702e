// CPython's header and the two helpers that every file here needs.

#ifndef RE2_MODULE_PYTHON_H_
#define RE2_MODULE_PYTHON_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <utility>

namespace re2_module {

// One owned reference, or none.
class Ref {
 public:
  explicit Ref(PyObject* object = nullptr) : object_(object) {}
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref&& other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_;
};

// The arguments of a vectorcall, sorted by parameter name; nullptr where the caller gave none.
template <size_t N>
struct Arguments {
  PyObject* value[N] = {};

  // Raises TypeError and returns false unless the call fits `names`, of which the first `required` must be given.
  bool bind(const char* function, const char* const (&names)[N], size_t required, PyObject* const* arguments,
            Py_ssize_t positional, PyObject* keywords) {
    if (positional > static_cast<Py_ssize_t>(N)) {
      PyErr_Format(PyExc_TypeError, "%s() takes at most %zu arguments (%zd given)", function, N, positional);
      return false;
    }
    for (Py_ssize_t i = 0; i < positional; i++) value[i] = arguments[i];
    const Py_ssize_t named = keywords == nullptr ? 0 : PyTuple_GET_SIZE(keywords);
    for (Py_ssize_t i = 0; i < named; i++) {
      PyObject* name = PyTuple_GET_ITEM(keywords, i);
      size_t at = 0;
      while (at < N && PyUnicode_CompareWithASCIIString(name, names[at]) != 0) at++;
      if (at == N || value[at] != nullptr) {
        PyErr_Format(PyExc_TypeError, "%s() got %s argument '%U'", function,
                     at == N ? "an unexpected" : "twice the", name);
        return false;
      }
      value[at] = arguments[positional + i];
    }
    for (size_t i = 0; i < required; i++) {
      if (value[i] == nullptr) {
        PyErr_Format(PyExc_TypeError, "%s() misses its argument '%s'", function, names[i]);
        return false;
      }
    }
    return true;
  }

  // Argument `at` as a whole number into *number, which keeps its value if the caller gave none. Clips what is too large.
  bool number(size_t at, Py_ssize_t* number) const {
    if (value[at] == nullptr) return true;
    *number = PyNumber_AsSsize_t(value[at], nullptr);
    return *number != -1 || !PyErr_Occurred();
  }

  bool number(size_t at, int* number) const {
    if (value[at] == nullptr) return true;
    Ref index(PyNumber_Index(value[at]));
    if (!index) return false;
    const long wide = PyLong_AsLong(index.get());
    *number = static_cast<int>(wide);
    if (wide == *number) return wide != -1 || !PyErr_Occurred();
    if (!PyErr_Occurred()) PyErr_SetString(PyExc_OverflowError, "value too large to convert to int");
    return false;
  }
};

template <typename Function>
PyCFunction as_method(Function* function) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

template <typename Function>
void* as_slot(Function* function) {
  return reinterpret_cast<void*>(function);
}

}  // namespace re2_module

#endif  // RE2_MODULE_PYTHON_H_
