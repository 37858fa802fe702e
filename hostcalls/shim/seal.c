/* The end of the build: what is left behind is what every VM starts with. */

#include "shim.h"

/* ---- no compiler at run time ---- */

static PyObject *refuse(const char *name) {
    return PyErr_Format(PyExc_RuntimeError,
                        "%s() of source text needs Python's compiler, which this module was built without; "
                        "do it at import time, or build with the compiler",
                        name);
}

static bool is_code(PyObject *const *args, Py_ssize_t count) { return count > 0 && PyCode_Check(args[0]); }

static _PyCFunctionFast original_eval;
static _PyCFunctionFastWithKeywords original_exec;

static PyObject *guarded_eval(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    return is_code(args, count) ? original_eval(self, args, count) : refuse("eval");
}

static PyObject *guarded_exec(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return is_code(args, count) ? original_exec(self, args, count, names) : refuse("exec");
}

static PyObject *guarded_compile(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    UNUSED(self);
    UNUSED(args);
    UNUSED(count);
    UNUSED(names);
    return refuse("compile");
}

/* The definition behind a built-in function: changing it reaches every reference that anybody took. */
static PyMethodDef *definition(const char *name, int flags) {
    PyObject *builtins = PyImport_ImportModule("builtins");
    PyObject *function = builtins ? PyObject_GetAttrString(builtins, name) : NULL;
    PyMethodDef *found = function && PyCFunction_CheckExact(function) ? ((PyCFunctionObject *)function)->m_ml : NULL;
    if (function && (!found || found->ml_flags != flags)) {
        PyErr_Format(PyExc_RuntimeError, "builtins.%s was replaced during the build", name);
        found = NULL;
    }
    Py_XDECREF(function);
    Py_XDECREF(builtins);
    return found;
}

static bool compiler_seal(void) {
    PyMethodDef *eval = definition("eval", METH_FASTCALL);
    PyMethodDef *exec = eval ? definition("exec", METH_FASTCALL | METH_KEYWORDS) : NULL;
    PyMethodDef *compile = exec ? definition("compile", METH_FASTCALL | METH_KEYWORDS) : NULL;
    if (!compile) {
        return false;
    }
    original_eval = (_PyCFunctionFast)(void (*)(void))eval->ml_meth;
    original_exec = (_PyCFunctionFastWithKeywords)(void (*)(void))exec->ml_meth;
    eval->ml_meth = (PyCFunction)(void (*)(void))guarded_eval;
    exec->ml_meth = (PyCFunction)(void (*)(void))guarded_exec;
    compile->ml_meth = (PyCFunction)(void (*)(void))guarded_compile;
    return true;
}

/* What is alive now is never looked at again, so a full collection at run time takes microseconds. gc.freeze has no C
   interface, so that module is always kept in the table. */
static bool freeze_garbage(void) {
    PyObject *modules = PyImport_GetModuleDict();
    bool was_there = PyDict_GetItemString(modules, "gc") != NULL;
    PyObject *gc = PyImport_ImportModule("gc");
    PyObject *collected = gc ? PyObject_CallMethod(gc, "collect", NULL) : NULL;
    PyObject *frozen = collected ? PyObject_CallMethod(gc, "freeze", NULL) : NULL;
    bool good = frozen != NULL;
    Py_XDECREF(frozen);
    Py_XDECREF(collected);
    Py_XDECREF(gc);
    if (good && !was_there) {
        good = PyDict_DelItemString(modules, "gc") == 0;
    }
    return good;
}

enum { SEAL_KEEP_COMPILER = 1 };

EXPORT(ls_seal) int32_t ls_seal(uint32_t flags) {
    bool good = freeze_garbage() && ((flags & SEAL_KEEP_COMPILER) || compiler_seal()) && builtins_seal();
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
