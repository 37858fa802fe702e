/* The module `zlib`: the interface of CPython 3.11's on zlib itself. */

#include "shared.h"

static PyObject* module_compress(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static char* names[] = {"", "level", "wbits", NULL};
  int level = Z_DEFAULT_COMPRESSION, wbits = MAX_WBITS;
  Py_buffer data;
  z_stream stream;
  Output output = {NULL, -1};
  PyObject* result = NULL;
  (void)module;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*|ii:compress", names, &data, &level, &wbits)) return NULL;
  prepare_stream(&stream);
  int status = deflateInit2(&stream, level, Z_DEFLATED, wbits, MEMORY_LEVEL, Z_DEFAULT_STRATEGY);
  if (status != Z_OK) {
    if (status == Z_STREAM_ERROR) {
      PyErr_SetString(zlib_error, "Bad compression level");
    } else {
      raise_status(&stream, status, "compressing data");
    }
  } else {
    if (output_open(&output, &stream, data.len < BUFFER_SIZE ? data.len + 64 : BUFFER_SIZE, -1) == 0) {
      size_t left = data.len;
      stream.next_in = data.buf;
      do {
        feed(&stream, &left);
        status = pump(&stream, &output, deflate, left == 0 ? Z_FINISH : Z_NO_FLUSH);
      } while (status == Z_OK && left > 0);
      if (status == Z_STREAM_END) {
        result = output_close(&output, &stream);
      } else {
        if (status != Z_ERRNO) raise_status(&stream, status, "compressing data");
        output_drop(&output);
      }
    }
    deflateEnd(&stream);
  }
  PyBuffer_Release(&data);
  return result;
}

static PyObject* module_decompress(PyObject* module, PyObject* arguments, PyObject* keywords) {
  static char* names[] = {"", "wbits", "bufsize", NULL};
  int wbits = MAX_WBITS;
  Py_ssize_t first = BUFFER_SIZE;
  Py_buffer data;
  z_stream stream;
  Output output = {NULL, -1};
  PyObject* result = NULL;
  (void)module;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "y*|in:decompress", names, &data, &wbits, &first)) return NULL;
  prepare_stream(&stream);
  int status = Z_OK;
  if (first < 0) {
    PyErr_SetString(PyExc_ValueError, "bufsize must be non-negative");
  } else if ((status = inflateInit2(&stream, wbits)) != Z_OK) {
    raise_status(&stream, status, "preparing to decompress data");
  } else {
    if (output_open(&output, &stream, first, -1) == 0) {
      size_t left = data.len;
      stream.next_in = data.buf;
      do {
        feed(&stream, &left);
        status = pump(&stream, &output, inflate, Z_SYNC_FLUSH);
      } while (status == Z_OK && left > 0);
      if (status == Z_STREAM_END) {
        result = output_close(&output, &stream);
      } else {
        if (status != Z_ERRNO) raise_status(&stream, status == Z_OK ? Z_BUF_ERROR : status, "decompressing data");
        output_drop(&output);
      }
    }
    inflateEnd(&stream);
  }
  PyBuffer_Release(&data);
  return result;
}

static PyObject* checksum(PyObject* arguments, const char* format, unsigned int start,
                          uLong (*function)(uLong, const Bytef*, z_size_t)) {
  Py_buffer data;
  if (!PyArg_ParseTuple(arguments, format, &data, &start)) return NULL;
  /* For a null pointer, such as an empty object may have, zlib answers the start value of the checksum. */
  const unsigned long sum = data.len == 0 ? start : function(start, data.buf, data.len);
  PyBuffer_Release(&data);
  return PyLong_FromUnsignedLong(sum & 0xFFFFFFFFu);
}

static PyObject* module_crc32(PyObject* module, PyObject* arguments) {
  (void)module;
  return checksum(arguments, "y*|I:crc32", 0, crc32_z);
}

static PyObject* module_adler32(PyObject* module, PyObject* arguments) {
  (void)module;
  return checksum(arguments, "y*|I:adler32", 1, adler32_z);
}

#define WITH_KEYWORDS(function) (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS

static PyMethodDef functions[] = {
    {"compress", WITH_KEYWORDS(module_compress), "compress(data, /, level=-1, wbits=15): all data at once."},
    {"decompress", WITH_KEYWORDS(module_decompress), "decompress(data, /, wbits=15, bufsize=16384): a whole stream."},
    {"compressobj", WITH_KEYWORDS(new_compressor),
     "compressobj(level=-1, method=DEFLATED, wbits=15, memLevel=8, strategy=0, zdict=None): piece by piece."},
    {"decompressobj", WITH_KEYWORDS(new_decompressor), "decompressobj(wbits=15, zdict=None): piece by piece."},
    {"crc32", module_crc32, METH_VARARGS, "crc32(data, value=0, /)"},
    {"adler32", module_adler32, METH_VARARGS, "adler32(data, value=1, /)"},
    {NULL, NULL, 0, NULL},
};

static const struct {
  const char* name;
  int value;
} constants[] = {
    {"MAX_WBITS", MAX_WBITS},
    {"DEFLATED", Z_DEFLATED},
    {"DEF_MEM_LEVEL", MEMORY_LEVEL},
    {"DEF_BUF_SIZE", BUFFER_SIZE},
    {"Z_NO_COMPRESSION", Z_NO_COMPRESSION},
    {"Z_BEST_SPEED", Z_BEST_SPEED},
    {"Z_BEST_COMPRESSION", Z_BEST_COMPRESSION},
    {"Z_DEFAULT_COMPRESSION", Z_DEFAULT_COMPRESSION},
    {"Z_FILTERED", Z_FILTERED},
    {"Z_HUFFMAN_ONLY", Z_HUFFMAN_ONLY},
    {"Z_RLE", Z_RLE},
    {"Z_FIXED", Z_FIXED},
    {"Z_DEFAULT_STRATEGY", Z_DEFAULT_STRATEGY},
    {"Z_NO_FLUSH", Z_NO_FLUSH},
    {"Z_PARTIAL_FLUSH", Z_PARTIAL_FLUSH},
    {"Z_SYNC_FLUSH", Z_SYNC_FLUSH},
    {"Z_FULL_FLUSH", Z_FULL_FLUSH},
    {"Z_FINISH", Z_FINISH},
    {"Z_BLOCK", Z_BLOCK},
    {"Z_TREES", Z_TREES},
};

static int add_constants(PyObject* module) {
  for (size_t i = 0; i < sizeof constants / sizeof *constants; i++) {
    if (PyModule_AddIntConstant(module, constants[i].name, constants[i].value) < 0) return -1;
  }
  /* Numbers and dots only, which is what callers parse: the sources call themselves 1.3.1.1-motley. */
  const char* version = zlibVersion();
  PyObject* numbers = PyUnicode_FromStringAndSize(version, strspn(version, "0123456789."));
  const int failed = numbers == NULL || PyModule_AddObjectRef(module, "ZLIB_VERSION", numbers) < 0 ||
                     PyModule_AddObjectRef(module, "ZLIB_RUNTIME_VERSION", numbers) < 0;
  Py_XDECREF(numbers);
  if (failed) return -1;
  return PyModule_AddStringConstant(module, "__version__", "1.0");
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "zlib", "Compression and decompression by zlib.", -1, functions, NULL, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit_zlib(void) {
  PyObject* module = PyModule_Create(&definition);
  if (module == NULL) return NULL;
  zlib_error = PyErr_NewException("zlib.error", NULL, NULL);
  if (zlib_error == NULL || PyModule_AddObjectRef(module, "error", zlib_error) < 0 ||
      add_compressor_type(module) < 0 || add_decompressor_type(module) < 0 || add_constants(module) < 0) {
    Py_DECREF(module);
    return NULL;
  }
  return module;
}
