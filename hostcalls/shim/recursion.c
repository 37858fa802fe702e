/* How deep C may call Python.

   CPython's recursion limit counts calls, of which most cost no native stack: Python calling Python stays in one C function.
   What does cost is C calling Python (a comparison, a property, a generator, a constructor): one more evaluation loop, 1 KB of
   stack in Envoy 1.40 and up to 3 KB in V8s of 2023, out of about 984 KB. A wasm program can't see how much is left, and
   overrunning it kills the VM for every stream. So evaluation loops are counted on their own; the linker's --wrap leads each of
   their starts through here. Recursion in C alone (json, repr, pickle) takes some 400 bytes a level and stays
   under CPython's own limit. */

#include "shim.h"

enum { DEPTH_RUNNING = 200, DEPTH_BUILDING = 600 };

static int depth = 0;

struct _PyInterpreterFrame;

extern PyObject *__real__PyEval_EvalFrameDefault(PyThreadState *state, struct _PyInterpreterFrame *frame, int throwing);
PyObject *__wrap__PyEval_EvalFrameDefault(PyThreadState *state, struct _PyInterpreterFrame *frame, int throwing);

/* Where every evaluation loop starts. Callers clear the frame themselves, whatever comes back. */
PyObject *__wrap__PyEval_EvalFrameDefault(PyThreadState *state, struct _PyInterpreterFrame *frame, int throwing) {
    if (__builtin_expect(depth >= (vm_sealed ? DEPTH_RUNNING : DEPTH_BUILDING), 0)) {
        PyErr_SetString(PyExc_RecursionError, "maximum recursion depth exceeded: Python called from C too many times");
        return NULL;
    }
    depth++;
    PyObject *result = __real__PyEval_EvalFrameDefault(state, frame, throwing);
    depth--;
    return result;
}
