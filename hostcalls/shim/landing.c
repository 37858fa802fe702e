/* Memory that the host asks for in the middle of our host calls. All C: no Python code runs here. */

#include <stdlib.h>

#include "shim.h"

static Landing *armed = NULL;

EXPORT(proxy_on_memory_allocate) void *proxy_on_memory_allocate(uint32_t size) {
    Landing *landing = armed;
    if (!landing || !landing->as_bytes || landing->bytes || size == 0) {
        void *block = malloc(size ? size : 1);
        if (!block && landing) {
            landing->failed = true;
        }
        return block;
    }
    if (size <= PY_SSIZE_T_MAX) {
        landing->bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)size);
    }
    if (!landing->bytes) {
        PyErr_Clear(); /* the host call's status says it again, and the caller raises then */
        landing->failed = true;
        return NULL;
    }
    return PyBytes_AS_STRING(landing->bytes);
}

void landing_arm(Landing *landing, bool as_bytes) {
    *landing = (Landing){.as_bytes = as_bytes, .outer = armed};
    armed = landing;
}

static void disarm(Landing *landing) { armed = landing->outer; }

PyObject *landing_bytes(Landing *landing) {
    disarm(landing);
    PyObject *bytes = landing->bytes;
    if (bytes && landing->data == PyBytes_AS_STRING(bytes) && landing->size == (uint32_t)PyBytes_GET_SIZE(bytes)) {
        return bytes;
    }
    /* Nothing landed (an empty answer), or the host allocated more than it used. */
    PyObject *copy = PyBytes_FromStringAndSize(landing->size ? landing->data : NULL, (Py_ssize_t)landing->size);
    if (landing->data && !(bytes && landing->data == PyBytes_AS_STRING(bytes))) {
        free(landing->data);
    }
    Py_XDECREF(bytes);
    return copy;
}

void landing_raw(Landing *landing) { disarm(landing); }

void landing_drop(Landing *landing) {
    disarm(landing);
    Py_CLEAR(landing->bytes);
}

void landing_free(Landing *landing) {
    free(landing->data);
    landing->data = NULL;
}

Landing *landing_suspend(void) {
    Landing *outer = armed;
    armed = NULL;
    return outer;
}

void landing_resume(Landing *landing) { armed = landing; }

/* For the build, which has to get source text in before it can run any. */
EXPORT(ls_malloc) void *ls_malloc(uint32_t size) { return malloc(size ? size : 1); }

EXPORT(ls_free) void ls_free(void *block) { free(block); }
