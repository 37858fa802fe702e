/* The ABI's callbacks: exported by C, answered by the Python callables that set_callbacks was given. */

#include "shim.h"

enum callback {
    VM_BOOT,
    ON_CONTEXT_CREATE,
    ON_DONE,
    ON_LOG,
    ON_DELETE,
    ON_VM_START,
    ON_CONFIGURE,
    ON_TICK,
    ON_NEW_CONNECTION,
    ON_DOWNSTREAM_DATA,
    ON_DOWNSTREAM_CONNECTION_CLOSE,
    ON_UPSTREAM_DATA,
    ON_UPSTREAM_CONNECTION_CLOSE,
    ON_REQUEST_HEADERS,
    ON_REQUEST_BODY,
    ON_REQUEST_TRAILERS,
    ON_REQUEST_METADATA,
    ON_RESPONSE_HEADERS,
    ON_RESPONSE_BODY,
    ON_RESPONSE_TRAILERS,
    ON_RESPONSE_METADATA,
    ON_HTTP_CALL_RESPONSE,
    ON_GRPC_RECEIVE_INITIAL_METADATA,
    ON_GRPC_RECEIVE,
    ON_GRPC_RECEIVE_TRAILING_METADATA,
    ON_GRPC_CLOSE,
    ON_QUEUE_READY,
    ON_FOREIGN_FUNCTION,
    CALLBACK_COUNT,
};

static const char *const names[CALLBACK_COUNT] = {
    "vm_boot",
    "proxy_on_context_create",
    "proxy_on_done",
    "proxy_on_log",
    "proxy_on_delete",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_tick",
    "proxy_on_new_connection",
    "proxy_on_downstream_data",
    "proxy_on_downstream_connection_close",
    "proxy_on_upstream_data",
    "proxy_on_upstream_connection_close",
    "proxy_on_request_headers",
    "proxy_on_request_body",
    "proxy_on_request_trailers",
    "proxy_on_request_metadata",
    "proxy_on_response_headers",
    "proxy_on_response_body",
    "proxy_on_response_trailers",
    "proxy_on_response_metadata",
    "proxy_on_http_call_response",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
    "proxy_on_queue_ready",
    "proxy_on_foreign_function",
};

/* Who is hurt when the callable itself fails. */
enum kind { KIND_PLUGIN, KIND_HTTP, KIND_TCP };

static PyObject *callables[CALLBACK_COUNT];
static bool failure_closed = false;

PyObject *set_failure_response(PyObject *self, PyObject *mode) {
    UNUSED(self);
    long value = PyLong_AsLong(mode);
    if (value == -1 && PyErr_Occurred()) {
        return NULL;
    }
    if (value != 0 && value != 1) {
        PyErr_Format(PyExc_ValueError, "the failure response is 0 (open) or 1 (closed), not %ld", value);
        return NULL;
    }
    failure_closed = value == 1;
    Py_RETURN_NONE;
}

static int find(PyObject *name) {
    for (int i = 0; i < CALLBACK_COUNT; i++) {
        if (PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            return i;
        }
    }
    return -1;
}

PyObject *set_callbacks(PyObject *self, PyObject *callbacks) {
    UNUSED(self);
    if (!PyDict_Check(callbacks)) {
        PyErr_SetString(PyExc_TypeError, "set_callbacks() wants a dict of names to callables");
        return NULL;
    }
    PyObject *fresh[CALLBACK_COUNT] = {NULL};
    PyObject *name, *callable;
    Py_ssize_t position = 0;
    while (PyDict_Next(callbacks, &position, &name, &callable)) {
        int which = find(name);
        if (which < 0) {
            return PyErr_Format(PyExc_ValueError, "no callback is called %R", name);
        }
        if (!PyCallable_Check(callable)) {
            return PyErr_Format(PyExc_TypeError, "the callback %U is not callable", name);
        }
        fresh[which] = callable;
    }
    for (int i = 0; i < CALLBACK_COUNT; i++) {
        Py_XINCREF(fresh[i]);
        Py_XSETREF(callables[i], fresh[i]);
    }
    Py_RETURN_NONE;
}

void print_exception(void) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (!type) {
        return;
    }
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback && value) {
        PyException_SetTraceback(value, traceback);
    }
    PyErr_Display(type, value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
    PyErr_Clear();
    stdio_flush();
}

IMPORT(proxy_send_local_response)
uint32_t proxy_send_local_response(uint32_t status, const char *details, uint32_t details_size, const char *body,
                                   uint32_t body_size, const char *headers, uint32_t headers_size,
                                   int32_t grpc_status);
IMPORT(proxy_close_stream) uint32_t proxy_close_stream(uint32_t stream_type);

/* The last line of defence: the callable itself raised. Says so, and answers for it. */
static uint32_t answer_failure(enum callback which, enum kind kind) {
    static const char details[] = "filter_failed";
    log_text(LOG_ERROR, names[which]);
    print_exception();
    if (kind == KIND_PLUGIN) {
        return 0; /* not started, not configured; nothing to say anywhere else */
    }
    if (!failure_closed) {
        return ACTION_CONTINUE;
    }
    if (kind == KIND_HTTP) {
        proxy_send_local_response(500, details, sizeof details - 1, NULL, 0, NULL, 0, -1);
    } else {
        proxy_close_stream(STREAM_DOWNSTREAM);
    }
    return ACTION_PAUSE;
}

/* What a VM does once, before anything else: see vm_boot in docs/internals.md. */
static void boot(void) {
    static bool booted = false;
    if (booted || !vm_sealed) {
        return;
    }
    booted = true;
    if (callables[VM_BOOT]) {
        PyObject *result = PyObject_CallNoArgs(callables[VM_BOOT]);
        if (!result) {
            log_text(LOG_ERROR, names[VM_BOOT]);
            print_exception();
        }
        Py_XDECREF(result);
    }
}

/* Calls one callable and reads its answer; `silent` is the answer where nobody wrote the callback. */
static uint32_t call(enum callback which, enum kind kind, uint32_t silent, PyObject **slots, size_t slot_count) {
    PyObject **args = slots + 1; /* the slot before belongs to the callee: a bound method puts its self there */
    size_t count = slot_count - 1;
    Landing *outer = landing_suspend();
    boot();
    uint32_t answer = silent;
    bool whole = true;
    for (size_t i = 0; i < count; i++) {
        whole = whole && args[i];
    }
    PyObject *result = NULL;
    if (whole && callables[which]) {
        result = PyObject_Vectorcall(callables[which], args, count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    }
    for (size_t i = 0; i < count; i++) {
        Py_XDECREF(args[i]);
    }
    if (result && result != Py_None) {
        long number = PyLong_AsLong(result);
        if (number == -1 && PyErr_Occurred()) {
            answer = answer_failure(which, kind);
        } else {
            answer = (uint32_t)number;
        }
    } else if (!result && callables[which]) {
        answer = answer_failure(which, kind);
    }
    Py_XDECREF(result);
    stdio_flush();
    landing_resume(outer);
    return answer;
}

#define NUMBER(x) PyLong_FromUnsignedLong(x)
#define SIGNED(x) PyLong_FromLong((long)(int32_t)(x))
#define TRUTH(x) Py_NewRef((x) ? Py_True : Py_False)
#define CALLBACK(which, kind, silent, ...)                                                                            \
    call(which, kind, silent, (PyObject *[]){NULL, __VA_ARGS__},                                                       \
         sizeof((PyObject *[]){NULL, __VA_ARGS__}) / sizeof(PyObject *))

EXPORT(proxy_abi_version_0_2_1) void proxy_abi_version_0_2_1(void) {}

/* ---- contexts and configuration ---- */

EXPORT(proxy_on_context_create) void proxy_on_context_create(uint32_t context, uint32_t parent) {
    CALLBACK(ON_CONTEXT_CREATE, KIND_PLUGIN, 0, NUMBER(context), NUMBER(parent));
}

EXPORT(proxy_on_done) uint32_t proxy_on_done(uint32_t context) {
    return CALLBACK(ON_DONE, KIND_PLUGIN, 1, NUMBER(context));
}

EXPORT(proxy_on_log) void proxy_on_log(uint32_t context) { CALLBACK(ON_LOG, KIND_PLUGIN, 0, NUMBER(context)); }

EXPORT(proxy_on_delete) void proxy_on_delete(uint32_t context) {
    CALLBACK(ON_DELETE, KIND_PLUGIN, 0, NUMBER(context));
}

EXPORT(proxy_on_vm_start) uint32_t proxy_on_vm_start(uint32_t context, uint32_t configuration_size) {
    return CALLBACK(ON_VM_START, KIND_PLUGIN, 1, NUMBER(context), NUMBER(configuration_size));
}

EXPORT(proxy_on_configure) uint32_t proxy_on_configure(uint32_t context, uint32_t configuration_size) {
    return CALLBACK(ON_CONFIGURE, KIND_PLUGIN, 1, NUMBER(context), NUMBER(configuration_size));
}

EXPORT(proxy_on_tick) void proxy_on_tick(uint32_t context) { CALLBACK(ON_TICK, KIND_PLUGIN, 0, NUMBER(context)); }

/* ---- TCP streams ---- */

EXPORT(proxy_on_new_connection) uint32_t proxy_on_new_connection(uint32_t context) {
    return CALLBACK(ON_NEW_CONNECTION, KIND_TCP, ACTION_CONTINUE, NUMBER(context));
}

EXPORT(proxy_on_downstream_data) uint32_t proxy_on_downstream_data(uint32_t context, uint32_t size, uint32_t end) {
    return CALLBACK(ON_DOWNSTREAM_DATA, KIND_TCP, ACTION_CONTINUE, NUMBER(context), NUMBER(size), TRUTH(end));
}

EXPORT(proxy_on_downstream_connection_close)
void proxy_on_downstream_connection_close(uint32_t context, uint32_t peer) {
    CALLBACK(ON_DOWNSTREAM_CONNECTION_CLOSE, KIND_PLUGIN, 0, NUMBER(context), NUMBER(peer));
}

EXPORT(proxy_on_upstream_data) uint32_t proxy_on_upstream_data(uint32_t context, uint32_t size, uint32_t end) {
    return CALLBACK(ON_UPSTREAM_DATA, KIND_TCP, ACTION_CONTINUE, NUMBER(context), NUMBER(size), TRUTH(end));
}

EXPORT(proxy_on_upstream_connection_close) void proxy_on_upstream_connection_close(uint32_t context, uint32_t peer) {
    CALLBACK(ON_UPSTREAM_CONNECTION_CLOSE, KIND_PLUGIN, 0, NUMBER(context), NUMBER(peer));
}

/* ---- HTTP streams ---- */

EXPORT(proxy_on_request_headers) uint32_t proxy_on_request_headers(uint32_t context, uint32_t headers, uint32_t end) {
    return CALLBACK(ON_REQUEST_HEADERS, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(headers), TRUTH(end));
}

EXPORT(proxy_on_request_body) uint32_t proxy_on_request_body(uint32_t context, uint32_t size, uint32_t end) {
    return CALLBACK(ON_REQUEST_BODY, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(size), TRUTH(end));
}

EXPORT(proxy_on_request_trailers) uint32_t proxy_on_request_trailers(uint32_t context, uint32_t trailers) {
    return CALLBACK(ON_REQUEST_TRAILERS, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(trailers));
}

EXPORT(proxy_on_request_metadata) uint32_t proxy_on_request_metadata(uint32_t context, uint32_t elements) {
    return CALLBACK(ON_REQUEST_METADATA, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(elements));
}

EXPORT(proxy_on_response_headers) uint32_t proxy_on_response_headers(uint32_t context, uint32_t headers, uint32_t end) {
    return CALLBACK(ON_RESPONSE_HEADERS, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(headers), TRUTH(end));
}

EXPORT(proxy_on_response_body) uint32_t proxy_on_response_body(uint32_t context, uint32_t size, uint32_t end) {
    return CALLBACK(ON_RESPONSE_BODY, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(size), TRUTH(end));
}

EXPORT(proxy_on_response_trailers) uint32_t proxy_on_response_trailers(uint32_t context, uint32_t trailers) {
    return CALLBACK(ON_RESPONSE_TRAILERS, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(trailers));
}

EXPORT(proxy_on_response_metadata) uint32_t proxy_on_response_metadata(uint32_t context, uint32_t elements) {
    return CALLBACK(ON_RESPONSE_METADATA, KIND_HTTP, ACTION_CONTINUE, NUMBER(context), NUMBER(elements));
}

/* ---- answers to what the plugin asked for ---- */

EXPORT(proxy_on_http_call_response)
void proxy_on_http_call_response(uint32_t context, uint32_t call_id, uint32_t headers, uint32_t body, uint32_t trailers) {
    CALLBACK(ON_HTTP_CALL_RESPONSE, KIND_PLUGIN, 0, NUMBER(context), NUMBER(call_id), NUMBER(headers), NUMBER(body),
             NUMBER(trailers));
}

EXPORT(proxy_on_grpc_receive_initial_metadata)
void proxy_on_grpc_receive_initial_metadata(uint32_t context, uint32_t call_id, uint32_t elements) {
    CALLBACK(ON_GRPC_RECEIVE_INITIAL_METADATA, KIND_PLUGIN, 0, NUMBER(context), NUMBER(call_id), NUMBER(elements));
}

EXPORT(proxy_on_grpc_receive) void proxy_on_grpc_receive(uint32_t context, uint32_t call_id, uint32_t size) {
    CALLBACK(ON_GRPC_RECEIVE, KIND_PLUGIN, 0, NUMBER(context), NUMBER(call_id), NUMBER(size));
}

EXPORT(proxy_on_grpc_receive_trailing_metadata)
void proxy_on_grpc_receive_trailing_metadata(uint32_t context, uint32_t call_id, uint32_t elements) {
    CALLBACK(ON_GRPC_RECEIVE_TRAILING_METADATA, KIND_PLUGIN, 0, NUMBER(context), NUMBER(call_id), NUMBER(elements));
}

EXPORT(proxy_on_grpc_close) void proxy_on_grpc_close(uint32_t context, uint32_t call_id, uint32_t status) {
    CALLBACK(ON_GRPC_CLOSE, KIND_PLUGIN, 0, NUMBER(context), NUMBER(call_id), SIGNED(status));
}

EXPORT(proxy_on_queue_ready) void proxy_on_queue_ready(uint32_t context, uint32_t queue) {
    CALLBACK(ON_QUEUE_READY, KIND_PLUGIN, 0, NUMBER(context), NUMBER(queue));
}

EXPORT(proxy_on_foreign_function)
void proxy_on_foreign_function(uint32_t context, uint32_t function, uint32_t arguments_size) {
    CALLBACK(ON_FOREIGN_FUNCTION, KIND_PLUGIN, 0, NUMBER(context), NUMBER(function), NUMBER(arguments_size));
}
