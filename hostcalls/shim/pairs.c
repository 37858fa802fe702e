/* Header maps on the wire: u32 count; (u32 key size, u32 value size) each; then key NUL value NUL each. */

#include <stdlib.h>
#include <string.h>

#include "shim.h"

static void put(char **at, uint32_t number) {
    memcpy(*at, &number, sizeof number);
    *at += sizeof number;
}

static uint32_t get(const char *at) {
    uint32_t number;
    memcpy(&number, at, sizeof number);
    return number;
}

/* One side of a pair: bytes as they are, any other bytes-like object by its buffer. */
static bool side(PyObject *pair, Py_ssize_t which, Py_buffer *view) {
    PyObject *item = PySequence_Fast_GET_ITEM(pair, which);
    return PyObject_GetBuffer(item, view, PyBUF_SIMPLE) == 0;
}

static PyObject *fast_pair(PyObject *item) {
    PyObject *pair = PySequence_Fast(item, "a header map is a sequence of (name, value) pairs");
    if (pair && PySequence_Fast_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "a header is a pair (name, value), not %zd items", PySequence_Fast_GET_SIZE(pair));
        Py_CLEAR(pair);
    }
    return pair;
}

static bool measure(PyObject *fast, uint64_t *total) {
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
    *total = 4 + (uint64_t)count * 8;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pair = fast_pair(PySequence_Fast_GET_ITEM(fast, i));
        if (!pair) {
            return false;
        }
        for (Py_ssize_t which = 0; which < 2; which++) {
            Py_buffer view;
            if (!side(pair, which, &view)) {
                Py_DECREF(pair);
                return false;
            }
            *total += (uint64_t)view.len + 1;
            PyBuffer_Release(&view);
        }
        Py_DECREF(pair);
    }
    return true;
}

/* Getting a buffer or a sequence can run foreign code, so the second walk trusts nothing of the first. */
static bool fill(PyObject *fast, char *data, uint64_t total) {
    Py_ssize_t count = PySequence_Fast_GET_SIZE(fast);
    char *end = data + total, *sizes = data;
    put(&sizes, (uint32_t)count);
    char *text = sizes + count * 8;
    for (Py_ssize_t i = 0; i < count && i < PySequence_Fast_GET_SIZE(fast); i++) {
        PyObject *pair = fast_pair(PySequence_Fast_GET_ITEM(fast, i));
        if (!pair) {
            return false;
        }
        for (Py_ssize_t which = 0; which < 2; which++) {
            Py_buffer view;
            if (!side(pair, which, &view)) {
                Py_DECREF(pair);
                return false;
            }
            if (view.len >= end - text) {
                PyBuffer_Release(&view);
                Py_DECREF(pair);
                PyErr_SetString(PyExc_RuntimeError, "the header map changed while it was read");
                return false;
            }
            put(&sizes, (uint32_t)view.len);
            memcpy(text, view.buf, (size_t)view.len);
            text += view.len;
            *text++ = '\0';
            PyBuffer_Release(&view);
        }
        Py_DECREF(pair);
    }
    if (text != end) {
        PyErr_SetString(PyExc_RuntimeError, "the header map changed while it was read");
        return false;
    }
    return true;
}

bool pairs_write(PyObject *pairs, char **data, uint32_t *size) {
    *data = NULL;
    *size = 0;
    PyObject *fast = PySequence_Fast(pairs, "a header map is a sequence of (name, value) pairs");
    if (!fast) {
        return false;
    }
    bool good = true;
    if (PySequence_Fast_GET_SIZE(fast)) {
        uint64_t total;
        good = measure(fast, &total);
        if (good && (total > INT32_MAX || !(*data = malloc((size_t)total)))) {
            PyErr_NoMemory();
            good = false;
        }
        if (good && !fill(fast, *data, total)) {
            free(*data);
            *data = NULL;
            good = false;
        }
        *size = good ? (uint32_t)total : 0;
    }
    Py_DECREF(fast);
    return good;
}

static PyObject *malformed(void) {
    PyErr_SetString(PyExc_ValueError, "the host's header map is cut short");
    return NULL;
}

PyObject *pairs_read(const char *data, uint32_t size) {
    if (size == 0) {
        return PyList_New(0);
    }
    uint32_t count = size < 4 ? UINT32_MAX : get(data);
    if (count > (size - 4) / 8) {
        return malformed();
    }
    PyObject *list = PyList_New((Py_ssize_t)count);
    uint64_t at = 4 + (uint64_t)count * 8;
    for (uint32_t i = 0; list && i < count; i++) {
        PyObject *pair = PyTuple_New(2);
        for (uint32_t which = 0; pair && which < 2; which++) {
            uint64_t length = get(data + 4 + i * 8 + which * 4);
            if (at + length + 1 > size) {
                Py_DECREF(pair);
                Py_DECREF(list);
                return malformed();
            }
            PyObject *bytes = PyBytes_FromStringAndSize(data + at, (Py_ssize_t)length);
            if (bytes) {
                PyTuple_SET_ITEM(pair, which, bytes);
            } else {
                Py_CLEAR(pair);
            }
            at += length + 1;
        }
        if (pair) {
            PyList_SET_ITEM(list, (Py_ssize_t)i, pair);
        } else {
            Py_CLEAR(list);
        }
    }
    return list;
}
