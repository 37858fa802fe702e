/* The table of built-in modules: what a filter can use, and nothing else. */

#include <string.h>

#include "shim.h"

/* X(name, init function) for each module; written by leaksignal_wasm.runtime from its tables. */
#include "builtin_modules.h"

#define DECLARE(name, init) extern PyObject *init(void);
BUILTIN_MODULES(DECLARE)
#undef DECLARE

/* Each module's init notes that it ran: what never ran can be left out of the finished module. */
enum {
#define NUMBER(name, init) NUMBER_##init,
    BUILTIN_MODULES(NUMBER)
#undef NUMBER
    MODULE_COUNT
};

static bool used[MODULE_COUNT];

#define WRAP(name, init)                \
    static PyObject *wrap_##init(void) { \
        used[NUMBER_##init] = true;      \
        return init();                   \
    }
BUILTIN_MODULES(WRAP)
#undef WRAP

struct _inittab _PyImport_Inittab[] = {
#define ENTRY(name, init) {name, wrap_##init},
    BUILTIN_MODULES(ENTRY)
#undef ENTRY
    {"builtins", NULL}, /* made by the interpreter itself */
    {"sys", NULL},
    {NULL, NULL},
};

static bool is_used(const struct _inittab *entry) {
#define CHECK(name, init)                  \
    if (entry->initfunc == wrap_##init) {  \
        return used[NUMBER_##init];        \
    }
    BUILTIN_MODULES(CHECK)
#undef CHECK
    return true;
}

static PyObject *names_left(void) {
    PyObject *list = PyList_New(0);
    for (const struct _inittab *entry = PyImport_Inittab; list && entry->name; entry++) {
        PyObject *name = PyUnicode_FromString(entry->name);
        if (!name || PyList_Append(list, name) != 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(name);
    }
    if (list && PyList_Sort(list) != 0) {
        Py_CLEAR(list);
    }
    PyObject *tuple = list ? PyList_AsTuple(list) : NULL;
    Py_XDECREF(list);
    return tuple;
}

/* Importing a module that the build never imported is ModuleNotFoundError from now on, not a trap. */
bool builtins_seal(void) {
    struct _inittab *kept = PyImport_Inittab, *entry = PyImport_Inittab;
    for (; entry->name; entry++) {
        if (is_used(entry)) {
            *kept++ = *entry;
        }
    }
    memset(kept, 0, (size_t)((char *)entry - (char *)kept));
    PyObject *names = names_left();
    bool good = names && PySys_SetObject("builtin_module_names", names) == 0;
    Py_XDECREF(names);
    return good;
}
