/* What the shim's files know of each other. Order of reading: interpreter.c, callbacks.c, arguments.c, calls_*.c, seal.c. */
#ifndef SHIM_H
#define SHIM_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi.h"

/* ---- state.c: where this VM is in its life ---- */

/* False while the build runs: clocks stand still, randomness repeats, the environment is empty. ls_seal sets it. */
extern bool vm_sealed;

/* ---- log.c ---- */

void log_bytes(enum log_level level, const char *text, uint32_t size);
void log_text(enum log_level level, const char *text);
/* What Python wrote to fd 1 or 2; complete lines go to the proxy log at once. */
void stdio_write(int fd, const char *text, uint32_t size);
/* Logs an unfinished last line, if there is one. */
void stdio_flush(void);

/* ---- landing.c: where the host's answers land ---- */

/* One host call's answer. While a landing is armed, the first block that the host allocates is the inside of a new
   `bytes`, so that a body is copied once, from the host's memory into the object that the filter sees. */
typedef struct landing {
    char *data;    /* filled in by the host call: the return_*_data pointer */
    uint32_t size; /* filled in by the host call: the return_*_size value */
    PyObject *bytes;
    bool as_bytes;
    bool failed; /* an allocation for the host failed */
    struct landing *outer;
} Landing;

void landing_arm(Landing *landing, bool as_bytes);
/* The answer as `bytes`, once the host call came back with OK. Disarms. */
PyObject *landing_bytes(Landing *landing);
/* Disarms, for an answer that is read in place; free it with landing_free. */
void landing_raw(Landing *landing);
/* Disarms and drops what landed. */
void landing_drop(Landing *landing);
void landing_free(Landing *landing);
/* A callback can start in the middle of a host call: its allocations are its own. */
Landing *landing_suspend(void);
void landing_resume(Landing *landing);

/* ---- arguments.c: Python arguments to C and back ---- */

typedef struct {
    uint32_t number;
    int64_t wide;
    const char *data;
    uint32_t size;
    Py_buffer view; /* view.obj is set if data is on loan */
    char *owned;    /* data that was made for this call */
} Arg;

/* Reads `count` arguments by `format`, one letter each: i 32-bit integer, l 64-bit integer, o boolean, b bytes-like,
   s bytes-like or text, p pairs (serialised). False with an exception set if they do not fit; else give_back them. */
bool take(Arg *out, const char *call, const char *format, PyObject *const *args, Py_ssize_t count);
void give_back(Arg *args, size_t count);

/* None, or the exception that the error factory makes of a status. */
PyObject *done(const char *call, uint32_t status);
PyObject *fail(const char *call, uint32_t status);
/* As `fail`; MemoryError if the host was refused memory for its answer. */
PyObject *fail_landing(const char *call, uint32_t status, Landing *landing);
/* landing_bytes on OK, None on `missing`, else the exception. `missing` 0: no status means None. */
PyObject *answer_bytes(const char *call, uint32_t status, uint32_t missing, Landing *landing);
PyObject *answer_number(const char *call, uint32_t status, uint32_t number);
PyObject *set_error_factory(PyObject *self, PyObject *factory);

/* ---- pairs.c: header maps on the wire ---- */

/* Serialises a sequence of (bytes, bytes). *data is NULL for no pairs at all, else freed by the caller. */
bool pairs_write(PyObject *pairs, char **data, uint32_t *size);
/* list[tuple[bytes, bytes]]; ValueError if the bytes are no serialised map. */
PyObject *pairs_read(const char *data, uint32_t size);

/* ---- calls_*.c: tables of the module's functions ---- */

#define CALL(name) {#name, (PyCFunction)(void (*)(void))call_##name, METH_FASTCALL, NULL}
#define DEFINE_CALL(name) static PyObject *call_##name(PyObject *self, PyObject *const *args, Py_ssize_t count)
#define UNUSED(x) ((void)(x))

extern PyMethodDef calls_basics[], calls_buffers[], calls_maps[], calls_streams[], calls_outgoing[], calls_shared[],
    calls_metrics[], calls_properties[];

/* ---- callbacks.c ---- */

PyObject *set_callbacks(PyObject *self, PyObject *callbacks);
PyObject *set_failure_response(PyObject *self, PyObject *mode);

/* ---- module.c, frozen.c, builtins.c, memory.c, pools.c ---- */

PyMODINIT_FUNC PyInit__proxy_wasm(void);
void frozen_clear(void);
bool builtins_seal(void);
void memory_scrub(void);
void pools_scrub(void);

/* Prints and clears the current exception; SystemExit like any other. */
void print_exception(void);

#endif
