/* The module `_proxy_wasm`: all host calls under one name (docs/internals.md, seam 1). */

#include "shim.h"

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_proxy_wasm",
    .m_size = -1,
};

PyMODINIT_FUNC PyInit__proxy_wasm(void) {
    PyMethodDef *const tables[] = {calls_basics,   calls_buffers, calls_maps,    calls_streams,
                                   calls_outgoing, calls_shared,  calls_metrics, calls_properties};
    PyObject *module = PyModule_Create(&definition);
    for (size_t i = 0; module && i < sizeof tables / sizeof *tables; i++) {
        if (PyModule_AddFunctions(module, tables[i]) != 0) {
            Py_CLEAR(module);
        }
    }
    return module;
}
