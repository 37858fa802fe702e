/* Host calls: log, clock, timer, status, context; and the environment. */

#include <stdlib.h>
#include <string.h>

#include "shim.h"

IMPORT(proxy_log) uint32_t proxy_log(uint32_t level, const char *message, uint32_t size);

DEFINE_CALL(log) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "log", "is", args, count)) {
        return NULL;
    }
    stdio_flush(); /* what was printed before stays before */
    uint32_t status = proxy_log(a[0].number, a[1].data, a[1].size);
    give_back(a, 2);
    return done("log", status);
}

IMPORT(proxy_get_log_level) uint32_t proxy_get_log_level(uint32_t *level);

DEFINE_CALL(get_log_level) {
    UNUSED(self);
    uint32_t level = 0;
    return take(NULL, "get_log_level", "", args, count)
               ? answer_number("get_log_level", proxy_get_log_level(&level), level)
               : NULL;
}

IMPORT(proxy_get_current_time_nanoseconds) uint32_t proxy_get_current_time_nanoseconds(uint64_t *time);

DEFINE_CALL(get_current_time_nanoseconds) {
    UNUSED(self);
    if (!take(NULL, "get_current_time_nanoseconds", "", args, count)) {
        return NULL;
    }
    uint64_t time = 0;
    uint32_t status = proxy_get_current_time_nanoseconds(&time);
    return status == STATUS_OK ? PyLong_FromUnsignedLongLong(time) : fail("get_current_time_nanoseconds", status);
}

IMPORT(proxy_set_tick_period_milliseconds) uint32_t proxy_set_tick_period_milliseconds(uint32_t period);

DEFINE_CALL(set_tick_period_milliseconds) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "set_tick_period_milliseconds", "i", args, count)) {
        return NULL;
    }
    return done("set_tick_period_milliseconds", proxy_set_tick_period_milliseconds(a[0].number));
}

IMPORT(proxy_get_status) uint32_t proxy_get_status(uint32_t *code, char **message, uint32_t *size);

DEFINE_CALL(get_status) {
    UNUSED(self);
    if (!take(NULL, "get_status", "", args, count)) {
        return NULL;
    }
    uint32_t code = 0;
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status = proxy_get_status(&code, &answer.data, &answer.size);
    PyObject *message = answer_bytes("get_status", status, 0, &answer);
    return message ? Py_BuildValue("(IN)", (unsigned int)code, message) : NULL;
}

IMPORT(proxy_set_effective_context) uint32_t proxy_set_effective_context(uint32_t context);

DEFINE_CALL(set_effective_context) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "set_effective_context", "i", args, count)) {
        return NULL;
    }
    return done("set_effective_context", proxy_set_effective_context(a[0].number));
}

IMPORT(proxy_done) uint32_t proxy_done(void);

DEFINE_CALL(done) {
    UNUSED(self);
    return take(NULL, "done", "", args, count) ? done("done", proxy_done()) : NULL;
}

IMPORT_WASI(environ_sizes_get) int32_t host_environ_sizes_get(uint32_t *count, uint32_t *size);
IMPORT_WASI(environ_get) int32_t host_environ_get(char **entries, char *text);

static PyObject *environ_list(char **entries, uint32_t count) {
    PyObject *list = PyList_New(0);
    for (uint32_t i = 0; list && i < count; i++) {
        const char *equals = strchr(entries[i], '=');
        if (!equals) {
            continue;
        }
        PyObject *pair = Py_BuildValue("(y#y)", entries[i], (Py_ssize_t)(equals - entries[i]), equals + 1);
        if (!pair || PyList_Append(list, pair) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(pair);
    }
    return list;
}

DEFINE_CALL(environ) {
    UNUSED(self);
    if (!take(NULL, "environ", "", args, count)) {
        return NULL;
    }
    uint32_t entry_count = 0, size = 0;
    if (!vm_sealed || host_environ_sizes_get(&entry_count, &size) != 0 || entry_count == 0) {
        return PyList_New(0);
    }
    char **entries = calloc(entry_count, sizeof *entries);
    char *text = malloc((size_t)size + 1);
    PyObject *list = NULL;
    if (!entries || !text) {
        PyErr_NoMemory();
    } else if (host_environ_get(entries, text) != 0) {
        list = PyList_New(0);
    } else {
        text[size] = '\0';
        list = environ_list(entries, entry_count);
    }
    free(entries);
    free(text);
    return list;
}

PyMethodDef calls_basics[] = {
    CALL(log),
    CALL(get_log_level),
    CALL(get_current_time_nanoseconds),
    CALL(set_tick_period_milliseconds),
    CALL(get_status),
    CALL(set_effective_context),
    CALL(done),
    CALL(environ),
    {"set_error_factory", set_error_factory, METH_O, NULL},
    {"set_callbacks", set_callbacks, METH_O, NULL},
    {"set_failure_response", set_failure_response, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};
