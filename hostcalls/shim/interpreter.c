/* Starting the interpreter, and running the build's Python in it. */

#include <string.h>

#include "shim.h"

/* No file system, no environment, no site, no signals; a fixed hash seed, since it ends up in the module anyway. */
static void isolate(PyConfig *config) {
    PyConfig_InitIsolatedConfig(config);
    config->site_import = 0;
    config->use_hash_seed = 1;
    config->hash_seed = 0;
    config->module_search_paths_set = 1;
    config->pathconfig_warnings = 0;
    config->install_signal_handlers = 0;
    config->write_bytecode = 0;
    config->buffered_stdio = 0; /* log.c makes lines of it */
    config->use_frozen_modules = 1;
}

static PyStatus name_nothing(PyConfig *config) {
    wchar_t **const paths[] = {&config->home,        &config->stdlib_dir,      &config->executable,
                               &config->prefix,      &config->exec_prefix,     &config->base_prefix,
                               &config->base_exec_prefix, &config->base_executable};
    PyStatus status = PyStatus_Ok();
    for (size_t i = 0; !PyStatus_Exception(status) && i < sizeof paths / sizeof *paths; i++) {
        status = PyConfig_SetString(config, paths[i], L"");
    }
    wchar_t **const encodings[] = {&config->filesystem_encoding, &config->stdio_encoding};
    for (size_t i = 0; !PyStatus_Exception(status) && i < 2; i++) {
        status = PyConfig_SetString(config, encodings[i], L"utf-8");
    }
    if (!PyStatus_Exception(status)) { /* printing never fails for what is printed */
        status = PyConfig_SetString(config, &config->stdio_errors, L"backslashreplace");
    }
    return status;
}

EXPORT(ls_initialize) int32_t ls_initialize(void) {
    PyConfig config;
    isolate(&config);
    PyStatus status = name_nothing(&config);
    if (!PyStatus_Exception(status)) {
        status = Py_InitializeFromConfig(&config);
    }
    PyConfig_Clear(&config);
    if (PyStatus_Exception(status)) {
        log_text(LOG_CRITICAL, status.err_msg ? status.err_msg : "the interpreter did not start");
        return 1;
    }
    return 0;
}

EXPORT(ls_exec) int32_t ls_exec(const char *source, uint32_t size) {
    PyObject *text = PyUnicode_DecodeUTF8(source, (Py_ssize_t)size, "strict");
    const char *copy = text ? PyUnicode_AsUTF8(text) : NULL; /* ends in NUL */
    PyObject *main = copy ? PyImport_AddModule("__main__") : NULL;
    PyObject *names = main ? PyModule_GetDict(main) : NULL;
    PyObject *result = names ? PyRun_String(copy, Py_file_input, names, names) : NULL;
    if (!result) {
        print_exception();
    }
    stdio_flush();
    Py_XDECREF(text);
    Py_XDECREF(result);
    return result ? 0 : 1;
}
