/* zlib.compressobj(): compression piece by piece. */

#include "shared.h"

typedef struct {
  PyObject_HEAD
  z_stream stream;
  int open; /* deflateInit was called and deflateEnd was not */
} Compressor;

static PyTypeObject* compressor_type;

static PyObject* empty(void) {
  Compressor* self = PyObject_New(Compressor, compressor_type);
  if (self == NULL) return NULL;
  prepare_stream(&self->stream);
  self->open = 0;
  return (PyObject*)self;
}

static void compressor_dealloc(PyObject* object) {
  Compressor* self = (Compressor*)object;
  PyTypeObject* type = Py_TYPE(object);
  if (self->open) deflateEnd(&self->stream);
  PyObject_Free(object);
  Py_DECREF(type);
}

PyObject* new_compressor(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static char* names[] = {"level", "method", "wbits", "memLevel", "strategy", "zdict", NULL};
  int level = Z_DEFAULT_COMPRESSION, method = Z_DEFLATED, wbits = MAX_WBITS, memory = MEMORY_LEVEL;
  int strategy = Z_DEFAULT_STRATEGY;
  PyObject *given = NULL, *dictionary = NULL;
  (void)module;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|iiiiiO:compressobj", names, &level, &method, &wbits, &memory,
                                   &strategy, &given) ||
      take_dictionary(given, &dictionary) < 0) {
    return NULL;
  }
  Compressor* self = (Compressor*)empty();
  if (self == NULL) {
    Py_XDECREF(dictionary);
    return NULL;
  }
  int status = deflateInit2(&self->stream, level, method, wbits, memory, strategy);
  self->open = status == Z_OK;
  if (status == Z_STREAM_ERROR) {
    PyErr_SetString(PyExc_ValueError, "Invalid initialization option");
  } else if (status != Z_OK) {
    raise_status(&self->stream, status, "creating compression object");
  } else if (dictionary != NULL) {
    status = deflateSetDictionary(&self->stream, (Bytef*)PyBytes_AS_STRING(dictionary),
                                  (unsigned int)PyBytes_GET_SIZE(dictionary));
    if (status != Z_OK) PyErr_SetString(PyExc_ValueError, "Invalid dictionary");
  }
  Py_XDECREF(dictionary);
  if (status != Z_OK) Py_CLEAR(self);
  return (PyObject*)self;
}

static PyObject* compressor_compress(PyObject* object, PyObject* argument) {
  Compressor* self = (Compressor*)object;
  Py_buffer data;
  Output output;
  if (PyObject_GetBuffer(argument, &data, PyBUF_SIMPLE) < 0) return NULL;
  PyObject* result = NULL;
  if (output_open(&output, &self->stream, data.len < BUFFER_SIZE ? 256 : BUFFER_SIZE, -1) == 0) {
    size_t left = data.len;
    int status;
    self->stream.next_in = data.buf;
    do {
      feed(&self->stream, &left);
      status = self->open ? pump(&self->stream, &output, deflate, Z_NO_FLUSH) : Z_STREAM_ERROR;
    } while (status == Z_OK && left > 0);
    if (status == Z_OK) {
      result = output_close(&output, &self->stream);
    } else {
      if (status != Z_ERRNO) raise_status(&self->stream, status, "compressing data");
      output_drop(&output);
    }
  }
  PyBuffer_Release(&data);
  return result;
}

static PyObject* compressor_flush(PyObject* object, PyObject* arguments) {
  Compressor* self = (Compressor*)object;
  int mode = Z_FINISH;
  Output output;
  if (!PyArg_ParseTuple(arguments, "|i:flush", &mode)) return NULL;
  if (mode == Z_NO_FLUSH) return PyBytes_FromStringAndSize(NULL, 0);
  if (output_open(&output, &self->stream, 1024, -1) < 0) return NULL;
  self->stream.avail_in = 0;
  const int status = self->open ? pump(&self->stream, &output, deflate, mode) : Z_STREAM_ERROR;
  if (status == Z_STREAM_END && mode == Z_FINISH) {
    /* The window (256 KiB) goes now, not with the object. */
    deflateEnd(&self->stream);
    self->open = 0;
  } else if (status != Z_OK) {
    if (status != Z_ERRNO) raise_status(&self->stream, status, "flushing");
    output_drop(&output);
    return NULL;
  }
  return output_close(&output, &self->stream);
}

static PyObject* compressor_copy(PyObject* object, PyObject* unused) {
  Compressor* self = (Compressor*)object;
  (void)unused;
  if (!self->open) {
    PyErr_SetString(PyExc_ValueError, "Inconsistent stream state");
    return NULL;
  }
  Compressor* copy = (Compressor*)empty();
  if (copy == NULL) return NULL;
  const int status = deflateCopy(&copy->stream, &self->stream);
  copy->open = status == Z_OK;
  if (status == Z_OK) return (PyObject*)copy;
  raise_status(&self->stream, status, "copying compression object");
  Py_DECREF(copy);
  return NULL;
}

static PyMethodDef compressor_methods[] = {
    {"compress", compressor_compress, METH_O, "Compress data; returns what is ready so far."},
    {"flush", compressor_flush, METH_VARARGS, "flush(mode=Z_FINISH): what is still held back."},
    {"copy", compressor_copy, METH_NOARGS, "A second object in the same state."},
    {"__copy__", compressor_copy, METH_NOARGS, NULL},
    {"__deepcopy__", compressor_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot compressor_slots[] = {
    {Py_tp_dealloc, compressor_dealloc},
    {Py_tp_methods, compressor_methods},
    {0, NULL},
};

static PyType_Spec compressor_spec = {"zlib.Compress", sizeof(Compressor), 0,
                                      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, compressor_slots};

int add_compressor_type(PyObject* module) {
  (void)module; /* CPython's module does not show the type either */
  compressor_type = (PyTypeObject*)PyType_FromSpec(&compressor_spec);
  return compressor_type == NULL ? -1 : 0;
}
