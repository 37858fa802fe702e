#include "shared.h"

#include <limits.h>

PyObject* zlib_error;

void raise_status(const z_stream* stream, int status, const char* doing) {
  const char* message = stream == NULL ? NULL : stream->msg;
  if (status == Z_MEM_ERROR) {
    PyErr_Format(PyExc_MemoryError, "Out of memory while %s", doing);
    return;
  }
  if (status == Z_VERSION_ERROR) message = "library version mismatch";
  if (message == NULL) {
    switch (status) {
      case Z_BUF_ERROR: message = "incomplete or truncated stream"; break;
      case Z_STREAM_ERROR: message = "inconsistent stream state"; break;
      case Z_DATA_ERROR: message = "invalid input data"; break;
    }
  }
  if (message == NULL) {
    PyErr_Format(zlib_error, "Error %d while %s", status, doing);
  } else {
    PyErr_Format(zlib_error, "Error %d while %s: %.200s", status, doing, message);
  }
}

static void* allocate(void* opaque, unsigned int count, unsigned int size) {
  (void)opaque;
  if (size != 0 && count > (size_t)PY_SSIZE_T_MAX / size) return NULL;
  return PyMem_RawMalloc((size_t)count * size);
}

static void release(void* opaque, void* memory) {
  (void)opaque;
  PyMem_RawFree(memory);
}

void prepare_stream(z_stream* stream) {
  memset(stream, 0, sizeof *stream);
  stream->zalloc = allocate;
  stream->zfree = release;
}

static void aim(Output* output, z_stream* stream, Py_ssize_t used) {
  const Py_ssize_t room = PyBytes_GET_SIZE(output->bytes) - used;
  stream->next_out = (Bytef*)PyBytes_AS_STRING(output->bytes) + used;
  stream->avail_out = (size_t)room > UINT_MAX ? UINT_MAX : (unsigned int)room;
}

static Py_ssize_t used(const Output* output, const z_stream* stream) {
  return (const char*)stream->next_out - PyBytes_AS_STRING(output->bytes);
}

int output_open(Output* output, z_stream* stream, Py_ssize_t first, Py_ssize_t limit) {
  if (limit >= 0 && first > limit) first = limit;
  output->limit = limit;
  output->bytes = PyBytes_FromStringAndSize(NULL, first > 0 ? first : 1);
  if (output->bytes == NULL) return -1;
  aim(output, stream, 0);
  return 0;
}

int output_room(Output* output, z_stream* stream) {
  const Py_ssize_t size = PyBytes_GET_SIZE(output->bytes), written = used(output, stream);
  if (stream->avail_out > 0) return 0;
  if (written < size) {
    aim(output, stream, written);
    return 0;
  }
  if (output->limit >= 0 && size >= output->limit) return 1;
  if (size > PY_SSIZE_T_MAX / 2) {
    PyErr_NoMemory();
    return -1;
  }
  Py_ssize_t larger = size < BUFFER_SIZE ? BUFFER_SIZE : size * 2;
  if (output->limit >= 0 && larger > output->limit) larger = output->limit;
  if (_PyBytes_Resize(&output->bytes, larger) < 0) return -1;
  aim(output, stream, written);
  return 0;
}

PyObject* output_close(Output* output, z_stream* stream) {
  if (_PyBytes_Resize(&output->bytes, used(output, stream)) < 0) return NULL;
  return output->bytes;
}

void output_drop(Output* output) { Py_CLEAR(output->bytes); }

void feed(z_stream* stream, size_t* left) {
  stream->avail_in = *left > UINT_MAX ? UINT_MAX : (unsigned int)*left;
  *left -= stream->avail_in;
}

int pump(z_stream* stream, Output* output, StreamFunction function, int flush) {
  int status;
  for (;;) {
    const int room = output_room(output, stream);
    if (room < 0) return Z_ERRNO;
    if (room > 0) return Z_OK;
    status = function(stream, flush);
    /* Nothing more to do for now: neither an error nor the end. */
    if (status == Z_BUF_ERROR && stream->avail_out > 0) return Z_OK;
    if (status != Z_OK && status != Z_BUF_ERROR) return status;
    if (stream->avail_out > 0) return status;
  }
}

int take_dictionary(PyObject* given, PyObject** dictionary) {
  if (given == NULL) return 0;
  if (!PyObject_CheckBuffer(given)) {
    PyErr_SetString(PyExc_TypeError, "zdict argument must support the buffer protocol");
    return -1;
  }
  *dictionary = PyBytes_FromObject(given);
  return *dictionary == NULL ? -1 : 0;
}
