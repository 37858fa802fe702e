/* Host calls: properties, and functions that only some hosts have. */

#include "shim.h"

IMPORT(proxy_get_property)
uint32_t proxy_get_property(const char *path, uint32_t path_size, char **value, uint32_t *size);

DEFINE_CALL(get_property) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "get_property", "b", args, count)) {
        return NULL;
    }
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status = proxy_get_property(a[0].data, a[0].size, &answer.data, &answer.size);
    PyObject *value = answer_bytes("get_property", status, STATUS_NOT_FOUND, &answer);
    give_back(a, 1);
    return value;
}

IMPORT(proxy_set_property)
uint32_t proxy_set_property(const char *path, uint32_t path_size, const char *value, uint32_t size);

DEFINE_CALL(set_property) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "set_property", "bb", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_set_property(a[0].data, a[0].size, a[1].data, a[1].size);
    give_back(a, 2);
    return done("set_property", status);
}

IMPORT(proxy_call_foreign_function)
uint32_t proxy_call_foreign_function(const char *name, uint32_t name_size, const char *arguments,
                                     uint32_t arguments_size, char **results, uint32_t *results_size);

DEFINE_CALL(call_foreign_function) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "call_foreign_function", "bb", args, count)) {
        return NULL;
    }
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status =
        proxy_call_foreign_function(a[0].data, a[0].size, a[1].data, a[1].size, &answer.data, &answer.size);
    PyObject *results = answer_bytes("call_foreign_function", status, STATUS_NOT_FOUND, &answer);
    give_back(a, 2);
    return results;
}

PyMethodDef calls_properties[] = {
    CALL(get_property),
    CALL(set_property),
    CALL(call_foreign_function),
    {NULL, NULL, 0, NULL},
};
