/* The frozen modules: the few that the interpreter needs to come up. Everything else is imported from the build. */

#include <string.h>

#include "shim.h"

/* Tables `boot` and `rest` and the list `blobs`; written by leaksignal_wasm.runtime, marshalled by the same CPython. */
#include "frozen_blobs.h"

static const struct _frozen none[] = {{NULL, NULL, 0, 0, NULL}};

struct _module_alias { /* Include/internal/pycore_import.h */
    const char *name;
    const char *orig;
};

static const struct _module_alias aliases[] = {
    {"_frozen_importlib", "importlib._bootstrap"},
    {"_frozen_importlib_external", "importlib._bootstrap_external"},
    {NULL, NULL},
};

const struct _frozen *PyImport_FrozenModules = NULL;
const struct _frozen *_PyImport_FrozenBootstrap = boot;
const struct _frozen *_PyImport_FrozenStdlib = rest;
const struct _frozen *_PyImport_FrozenTest = none;
const struct _module_alias *_PyImport_FrozenAliases = aliases;

/* libpython's frozen code objects, which this table replaces. */
int _Py_Deepfreeze_Init(void);
int _Py_Deepfreeze_Init(void) { return 0; }
void _Py_Deepfreeze_Fini(void);
void _Py_Deepfreeze_Fini(void) {}

/* They are imported by now: zeroes cost nothing in the module. */
void frozen_clear(void) {
    _PyImport_FrozenBootstrap = _PyImport_FrozenStdlib = none;
    for (size_t i = 0; i < sizeof blobs / sizeof *blobs; i++) {
        memset(blobs[i].data, 0, blobs[i].size);
    }
}
