/* Python arguments to C and the host's answers back to Python. */

#include <stdlib.h>
#include <string.h>

#include "shim.h"

static PyObject *error_factory = NULL;

PyObject *set_error_factory(PyObject *self, PyObject *factory) {
    UNUSED(self);
    if (!PyCallable_Check(factory)) {
        PyErr_SetString(PyExc_TypeError, "the error factory must be callable: factory(call, status)");
        return NULL;
    }
    Py_INCREF(factory);
    Py_XSETREF(error_factory, factory);
    Py_RETURN_NONE;
}

/* Any value that fits 32 bits, signed or not: the ABI's integers have no sign of their own. */
static bool take_number(Arg *arg, const char *call, PyObject *value) {
    long long number = PyLong_AsLongLong(value);
    if (number == -1 && PyErr_Occurred()) {
        return false;
    }
    if (number < INT32_MIN || number > UINT32_MAX) {
        PyErr_Format(PyExc_OverflowError, "%s(): %lld does not fit 32 bits", call, number);
        return false;
    }
    arg->number = (uint32_t)number;
    return true;
}

/* The same for 64 bits: gauges can be negative, counters can use the top bit. */
static bool take_wide(Arg *arg, const char *call, PyObject *value) {
    if (!PyLong_Check(value)) {
        PyErr_Format(PyExc_TypeError, "%s() wants an int, not %.100s", call, Py_TYPE(value)->tp_name);
        return false;
    }
    int overflow = 0;
    arg->wide = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow > 0) {
        arg->wide = (int64_t)PyLong_AsUnsignedLongLong(value);
    } else if (overflow < 0) {
        PyErr_Format(PyExc_OverflowError, "%s(): the number does not fit 64 bits", call);
    }
    return !PyErr_Occurred();
}

static bool take_bytes(Arg *arg, const char *call, PyObject *value) {
    if (PyBytes_CheckExact(value)) {
        arg->data = PyBytes_AS_STRING(value);
        arg->size = (uint32_t)PyBytes_GET_SIZE(value);
        return true;
    }
    if (PyObject_GetBuffer(value, &arg->view, PyBUF_SIMPLE) != 0) {
        if (PyErr_ExceptionMatches(PyExc_TypeError)) {
            PyErr_Format(PyExc_TypeError, "%s() wants a bytes-like object, not %.100s", call, Py_TYPE(value)->tp_name);
        }
        return false;
    }
    arg->data = arg->view.buf;
    arg->size = (uint32_t)arg->view.len;
    return true;
}

static bool take_text(Arg *arg, const char *call, PyObject *value) {
    if (!PyUnicode_Check(value)) {
        return take_bytes(arg, call, value);
    }
    Py_ssize_t size = 0;
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (text) {
        arg->data = text;
        arg->size = (uint32_t)size;
        return true;
    }
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
        return false;
    }
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(value, "utf-8", "backslashreplace");
    if (!bytes) {
        return false;
    }
    bool good = PyObject_GetBuffer(bytes, &arg->view, PyBUF_SIMPLE) == 0; /* the view keeps it alive */
    arg->data = arg->view.buf;
    arg->size = (uint32_t)arg->view.len;
    Py_DECREF(bytes);
    return good;
}

static bool take_one(Arg *arg, const char *call, char letter, PyObject *value) {
    switch (letter) {
    case 'i':
        return take_number(arg, call, value);
    case 'l':
        return take_wide(arg, call, value);
    case 'o': {
        int truth = PyObject_IsTrue(value);
        arg->number = truth > 0;
        return truth >= 0;
    }
    case 'b':
        return take_bytes(arg, call, value);
    case 's':
        return take_text(arg, call, value);
    default: /* 'p' */
        if (!pairs_write(value, &arg->owned, &arg->size)) {
            return false;
        }
        arg->data = arg->owned;
        return true;
    }
}

bool take(Arg *out, const char *call, const char *format, PyObject *const *args, Py_ssize_t count) {
    Py_ssize_t wanted = (Py_ssize_t)strlen(format);
    if (count != wanted) {
        PyErr_Format(PyExc_TypeError, "%s() takes exactly %zd arguments (%zd given)", call, wanted, count);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; i++) {
        out[i].view.obj = NULL;
        out[i].owned = NULL;
        if (!take_one(&out[i], call, format[i], args[i])) {
            give_back(out, (size_t)i + 1);
            return false;
        }
    }
    return true;
}

void give_back(Arg *args, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (args[i].view.obj) {
            PyBuffer_Release(&args[i].view);
        }
        free(args[i].owned);
    }
}

PyObject *fail(const char *call, uint32_t status) {
    if (!error_factory) {
        PyErr_Format(PyExc_RuntimeError, "%s: host status %u", call, (unsigned)status);
        return NULL;
    }
    PyObject *error = PyObject_CallFunction(error_factory, "sI", call, (unsigned int)status);
    if (error && !PyExceptionInstance_Check(error)) {
        PyErr_Format(PyExc_TypeError, "the error factory returned %.100s, not an exception", Py_TYPE(error)->tp_name);
    } else if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    }
    Py_XDECREF(error);
    return NULL;
}

PyObject *done(const char *call, uint32_t status) {
    if (status != STATUS_OK) {
        return fail(call, status);
    }
    Py_RETURN_NONE;
}

PyObject *fail_landing(const char *call, uint32_t status, Landing *landing) {
    bool failed = landing->failed;
    landing_drop(landing);
    return failed ? PyErr_NoMemory() : fail(call, status);
}

PyObject *answer_bytes(const char *call, uint32_t status, uint32_t missing, Landing *landing) {
    if (status == STATUS_OK) {
        return landing_bytes(landing);
    }
    if (status == missing) {
        landing_drop(landing);
        Py_RETURN_NONE;
    }
    return fail_landing(call, status, landing);
}

PyObject *answer_number(const char *call, uint32_t status, uint32_t number) {
    return status == STATUS_OK ? PyLong_FromUnsignedLong(number) : fail(call, status);
}
