/* What the files of the module `zlib` share. */

#ifndef ZLIB_MODULE_SHARED_H_
#define ZLIB_MODULE_SHARED_H_

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <zlib.h>

enum { BUFFER_SIZE = 16 * 1024, MEMORY_LEVEL = 8 };

/* zlib.error; set by the module's init. */
extern PyObject* zlib_error;

/* Raises zlib.error with zlib's own message for `status`, in CPython's wording; MemoryError if that was it. */
void raise_status(const z_stream* stream, int status, const char* doing);

/* The memory functions of a new stream: CPython's, so that its accounting and its limits hold. */
void prepare_stream(z_stream* stream);

/* A bytes object that grows while zlib writes into it. */
typedef struct {
  PyObject* bytes;
  Py_ssize_t limit; /* it never gets larger; -1: no limit */
} Output;

/* `first`: bytes to begin with. The three return 0, or -1 with an exception set. */
int output_open(Output* output, z_stream* stream, Py_ssize_t first, Py_ssize_t limit);
/* Makes room if there is none: 0 then, 1 if the limit is reached. */
int output_room(Output* output, z_stream* stream);
/* Gives the object away, cut to what was written, or NULL. */
PyObject* output_close(Output* output, z_stream* stream);
void output_drop(Output* output);

/* Moves the next piece of the input to the stream; zlib counts in unsigned int. */
void feed(z_stream* stream, size_t* left);

typedef int (*StreamFunction)(z_stream*, int);

/* Calls deflate or inflate until it leaves room in the output or the limit is reached. Returns zlib's status, or
   Z_ERRNO with an exception set. */
int pump(z_stream* stream, Output* output, StreamFunction function, int flush);

/* Copies the bytes-like object given as dictionary into *dictionary. 0, or -1 with TypeError set. */
int take_dictionary(PyObject* given, PyObject** dictionary);

PyObject* new_compressor(PyObject* module, PyObject* arguments, PyObject* keywords);
PyObject* new_decompressor(PyObject* module, PyObject* arguments, PyObject* keywords);
int add_compressor_type(PyObject* module);
int add_decompressor_type(PyObject* module);

#endif
