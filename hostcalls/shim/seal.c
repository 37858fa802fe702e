/* The end of the build: what is left behind is what every VM starts with. */

#include "shim.h"

/* ---- no compiler at run time ---- */

static PyObject *original_eval, *original_exec;

static PyObject *refuse(const char *name) {
    return PyErr_Format(PyExc_RuntimeError,
                        "%s() of source text needs Python's compiler, which this module was built without; "
                        "do it at import time, or build with the compiler",
                        name);
}

static bool is_code(PyObject *args) { return PyTuple_GET_SIZE(args) > 0 && PyCode_Check(PyTuple_GET_ITEM(args, 0)); }

static PyObject *guarded_eval(PyObject *self, PyObject *args, PyObject *kwargs) {
    UNUSED(self);
    return is_code(args) ? PyObject_Call(original_eval, args, kwargs) : refuse("eval");
}

static PyObject *guarded_exec(PyObject *self, PyObject *args, PyObject *kwargs) {
    UNUSED(self);
    return is_code(args) ? PyObject_Call(original_exec, args, kwargs) : refuse("exec");
}

static PyObject *guarded_compile(PyObject *self, PyObject *args, PyObject *kwargs) {
    UNUSED(self);
    UNUSED(args);
    UNUSED(kwargs);
    return refuse("compile");
}

#define GUARD(name, function) {name, (PyCFunction)(void (*)(void))function, METH_VARARGS | METH_KEYWORDS, NULL}

static PyMethodDef guards[] = {
    GUARD("eval", guarded_eval),
    GUARD("exec", guarded_exec),
    GUARD("compile", guarded_compile),
};

bool compiler_seal(void) {
    PyObject *builtins = PyImport_ImportModule("builtins");
    if (!builtins) {
        return false;
    }
    original_eval = PyObject_GetAttrString(builtins, "eval");
    original_exec = PyObject_GetAttrString(builtins, "exec");
    bool good = original_eval && original_exec;
    for (size_t i = 0; good && i < sizeof guards / sizeof *guards; i++) {
        PyObject *function = PyCFunction_New(&guards[i], NULL);
        good = function && PyObject_SetAttrString(builtins, guards[i].ml_name, function) == 0;
        Py_XDECREF(function);
    }
    Py_DECREF(builtins);
    return good;
}

static bool call_gc(const char *name) {
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *result = gc ? PyObject_CallMethod(gc, name, NULL) : NULL;
    Py_XDECREF(gc);
    Py_XDECREF(result);
    return result != NULL;
}

enum { SEAL_KEEP_COMPILER = 1 };

EXPORT(ls_seal) int32_t ls_seal(uint32_t flags) {
    /* What is alive now is never looked at again: a full collection at run time takes microseconds. */
    bool good = call_gc("collect") && call_gc("freeze");
    good = good && ((flags & SEAL_KEEP_COMPILER) || compiler_seal()) && builtins_seal();
    if (!good) {
        print_exception();
        return 1;
    }
    frozen_clear();
    stdio_flush();
    memory_scrub();
    vm_sealed = true;
    return 0;
}
