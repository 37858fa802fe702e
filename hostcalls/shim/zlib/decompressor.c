/* zlib.decompressobj(): decompression piece by piece. */

#include "shared.h"

#include <stddef.h>
#include <structmember.h>

typedef struct {
  PyObject_HEAD
  z_stream stream;
  PyObject* unused_data;     /* what came behind the end of the stream */
  PyObject* unconsumed_tail; /* input that max_length left over */
  PyObject* dictionary;      /* or NULL */
  char open;                 /* inflateInit was called and inflateEnd was not */
  char eof;
  char flushed;              /* flush() was called at the end: as in CPython, no copies from then on */
} Decompressor;

static PyTypeObject* decompressor_type;

static PyObject* empty(void) {
  Decompressor* self = PyObject_New(Decompressor, decompressor_type);
  if (self == NULL) return NULL;
  prepare_stream(&self->stream);
  self->unused_data = PyBytes_FromStringAndSize(NULL, 0);
  self->unconsumed_tail = PyBytes_FromStringAndSize(NULL, 0);
  self->dictionary = NULL;
  self->open = self->eof = self->flushed = 0;
  if (self->unused_data == NULL || self->unconsumed_tail == NULL) Py_CLEAR(self);
  return (PyObject*)self;
}

static void close_stream(Decompressor* self) {
  if (self->open) inflateEnd(&self->stream);
  self->open = 0;
}

static void decompressor_dealloc(PyObject* object) {
  Decompressor* self = (Decompressor*)object;
  PyTypeObject* type = Py_TYPE(object);
  close_stream(self);
  Py_XDECREF(self->unused_data);
  Py_XDECREF(self->unconsumed_tail);
  Py_XDECREF(self->dictionary);
  PyObject_Free(object);
  Py_DECREF(type);
}

static int set_dictionary(Decompressor* self) {
  return inflateSetDictionary(&self->stream, (Bytef*)PyBytes_AS_STRING(self->dictionary),
                              (unsigned int)PyBytes_GET_SIZE(self->dictionary));
}

PyObject* new_decompressor(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static char* names[] = {"wbits", "zdict", NULL};
  int wbits = MAX_WBITS;
  PyObject *given = NULL, *dictionary = NULL;
  (void)module;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|iO:decompressobj", names, &wbits, &given) ||
      take_dictionary(given, &dictionary) < 0) {
    return NULL;
  }
  Decompressor* self = (Decompressor*)empty();
  if (self == NULL) {
    Py_XDECREF(dictionary);
    return NULL;
  }
  self->dictionary = dictionary;
  int status = inflateInit2(&self->stream, wbits);
  self->open = status == Z_OK;
  if (status == Z_STREAM_ERROR) {
    PyErr_SetString(PyExc_ValueError, "Invalid initialization option");
  } else if (status != Z_OK) {
    raise_status(&self->stream, status, "creating decompression object");
  } else if (dictionary != NULL && wbits < 0) {
    /* A raw stream does not ask for its dictionary. */
    status = set_dictionary(self);
    if (status != Z_OK) raise_status(&self->stream, status, "setting zdict");
  }
  if (status != Z_OK) Py_CLEAR(self);
  return (PyObject*)self;
}

/* Appends the input that is left to unused_data. */
static int keep_unused(Decompressor* self, const char* rest, size_t size) {
  if (size == 0) return 0;
  PyObject* piece = PyBytes_FromStringAndSize(rest, size);
  if (piece == NULL) return -1;
  PyBytes_ConcatAndDel(&self->unused_data, piece);
  if (self->unused_data != NULL) return 0;
  self->unused_data = PyBytes_FromStringAndSize(NULL, 0); /* so that the object stays usable */
  return -1;
}

/* Replaces unconsumed_tail by the input that is left. */
static int keep_tail(Decompressor* self, const char* rest, size_t size) {
  if (size == 0 && PyBytes_GET_SIZE(self->unconsumed_tail) == 0) return 0;
  PyObject* tail = PyBytes_FromStringAndSize(rest, size);
  if (tail == NULL) return -1;
  Py_SETREF(self->unconsumed_tail, tail);
  return 0;
}

/* At the end of the stream the rest is unused data, and, as in CPython, also the new tail if there was one before. */
static int keep_rest(Decompressor* self, const char* rest, size_t size) {
  if (keep_unused(self, rest, size) < 0) return -1;
  return PyBytes_GET_SIZE(self->unconsumed_tail) == 0 ? 0 : keep_tail(self, rest, size);
}

/* zlib's inflate, which also answers the stream's question for a dictionary. */
static int inflate_with_dictionary(Decompressor* self, Output* output, int flush) {
  int status = pump(&self->stream, output, inflate, flush);
  if (status == Z_NEED_DICT && self->dictionary != NULL) {
    status = set_dictionary(self);
    if (status == Z_OK) status = pump(&self->stream, output, inflate, flush);
  }
  return status;
}

/* Decompresses `size` bytes into at most `limit` (-1: any number) and sorts the rest into tail or unused data. */
static PyObject* run(Decompressor* self, const char* data, size_t size, Py_ssize_t first, Py_ssize_t limit, int flush,
                     const char* doing) {
  Output output;
  size_t left = size;
  int status = Z_OK;
  if (self->eof) {
    if (keep_rest(self, data, size) < 0) return NULL;
    return PyBytes_FromStringAndSize(NULL, 0);
  }
  if (output_open(&output, &self->stream, first, limit) < 0) return NULL;
  self->stream.next_in = (Bytef*)data;
  do {
    feed(&self->stream, &left);
    status = self->open ? inflate_with_dictionary(self, &output, left == 0 ? flush : Z_SYNC_FLUSH) : Z_STREAM_ERROR;
  } while (status == Z_OK && self->stream.avail_in == 0 && left > 0);
  if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR) {
    if (status != Z_ERRNO) raise_status(&self->stream, status, doing);
    output_drop(&output);
    return NULL;
  }
  PyObject* result = output_close(&output, &self->stream);
  const size_t rest = left + self->stream.avail_in;
  const char* next = (const char*)self->stream.next_in;
  if (status == Z_STREAM_END) {
    self->eof = 1;
    close_stream(self); /* its window is of no more use */
    if (result != NULL && keep_rest(self, next, rest) < 0) Py_CLEAR(result);
  } else if (result != NULL && keep_tail(self, next, rest) < 0) {
    Py_CLEAR(result);
  }
  return result;
}

static PyObject* decompressor_decompress(PyObject* object, PyObject* arguments, PyObject* keywords) {
  static char* names[] = {"", "max_length", NULL};
  Py_buffer data;
  Py_ssize_t limit = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*|n:decompress", names, &data, &limit)) return NULL;
  PyObject* result = NULL;
  if (limit < 0) {
    PyErr_SetString(PyExc_ValueError, "max_length must be non-negative");
  } else {
    result = run((Decompressor*)object, data.buf, data.len, BUFFER_SIZE, limit == 0 ? -1 : limit, Z_SYNC_FLUSH,
                 "decompressing data");
  }
  PyBuffer_Release(&data);
  return result;
}

static PyObject* decompressor_flush(PyObject* object, PyObject* arguments) {
  Decompressor* self = (Decompressor*)object;
  Py_ssize_t length = BUFFER_SIZE;
  if (!PyArg_ParseTuple(arguments, "|n:flush", &length)) return NULL;
  if (length <= 0) {
    PyErr_SetString(PyExc_ValueError, "length must be greater than zero");
    return NULL;
  }
  PyObject* tail = Py_NewRef(self->unconsumed_tail); /* run() replaces it while reading it */
  const Py_ssize_t first = length < BUFFER_SIZE ? length : BUFFER_SIZE;
  PyObject* result = run(self, PyBytes_AS_STRING(tail), PyBytes_GET_SIZE(tail), first, -1, Z_FINISH, "flushing");
  Py_DECREF(tail);
  self->flushed = self->eof;
  return result;
}

static PyObject* decompressor_copy(PyObject* object, PyObject* unused) {
  Decompressor* self = (Decompressor*)object;
  (void)unused;
  if (self->flushed) {
    PyErr_SetString(PyExc_ValueError, "Inconsistent stream state");
    return NULL;
  }
  Decompressor* copy = (Decompressor*)empty();
  if (copy == NULL) return NULL;
  if (self->open) {
    const int status = inflateCopy(&copy->stream, &self->stream);
    copy->open = status == Z_OK;
    if (status != Z_OK) {
      raise_status(&self->stream, status, "copying decompression object");
      Py_DECREF(copy);
      return NULL;
    }
  }
  Py_SETREF(copy->unused_data, Py_NewRef(self->unused_data));
  Py_SETREF(copy->unconsumed_tail, Py_NewRef(self->unconsumed_tail));
  copy->dictionary = Py_XNewRef(self->dictionary);
  copy->eof = self->eof;
  return (PyObject*)copy;
}

static PyMethodDef decompressor_methods[] = {
    {"decompress", (PyCFunction)(void (*)(void))decompressor_decompress, METH_VARARGS | METH_KEYWORDS,
     "decompress(data, /, max_length=0): at most that many bytes (0: all); see unconsumed_tail."},
    {"flush", decompressor_flush, METH_VARARGS, "flush(length=16384): what unconsumed_tail still holds."},
    {"copy", decompressor_copy, METH_NOARGS, "A second object in the same state."},
    {"__copy__", decompressor_copy, METH_NOARGS, NULL},
    {"__deepcopy__", decompressor_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef decompressor_members[] = {
    {"unused_data", T_OBJECT_EX, offsetof(Decompressor, unused_data), READONLY, NULL},
    {"unconsumed_tail", T_OBJECT_EX, offsetof(Decompressor, unconsumed_tail), READONLY, NULL},
    {"eof", T_BOOL, offsetof(Decompressor, eof), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot decompressor_slots[] = {
    {Py_tp_dealloc, decompressor_dealloc},
    {Py_tp_methods, decompressor_methods},
    {Py_tp_members, decompressor_members},
    {0, NULL},
};

static PyType_Spec decompressor_spec = {"zlib.Decompress", sizeof(Decompressor), 0,
                                        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, decompressor_slots};

int add_decompressor_type(PyObject* module) {
  (void)module;
  decompressor_type = (PyTypeObject*)PyType_FromSpec(&decompressor_spec);
  return decompressor_type == NULL ? -1 : 0;
}
