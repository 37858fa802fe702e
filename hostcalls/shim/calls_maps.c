/* Host calls: headers, trailers, metadata. */

#include "shim.h"

IMPORT(proxy_get_header_map_size) uint32_t proxy_get_header_map_size(uint32_t map, uint32_t *size);

DEFINE_CALL(get_header_map_size) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "get_header_map_size", "i", args, count)) {
        return NULL;
    }
    uint32_t size = 0;
    uint32_t status = proxy_get_header_map_size(a[0].number, &size);
    return answer_number("get_header_map_size", status, size);
}

IMPORT(proxy_get_header_map_pairs) uint32_t proxy_get_header_map_pairs(uint32_t map, char **data, uint32_t *size);

DEFINE_CALL(get_header_map_pairs) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "get_header_map_pairs", "i", args, count)) {
        return NULL;
    }
    Landing answer;
    landing_arm(&answer, false);
    uint32_t status = proxy_get_header_map_pairs(a[0].number, &answer.data, &answer.size);
    if (status != STATUS_OK) {
        return fail_landing("get_header_map_pairs", status, &answer);
    }
    landing_raw(&answer);
    PyObject *pairs = pairs_read(answer.data, answer.size);
    landing_free(&answer);
    return pairs;
}

IMPORT(proxy_set_header_map_pairs) uint32_t proxy_set_header_map_pairs(uint32_t map, const char *data, uint32_t size);

DEFINE_CALL(set_header_map_pairs) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "set_header_map_pairs", "ip", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_set_header_map_pairs(a[0].number, a[1].data, a[1].size);
    give_back(a, 2);
    return done("set_header_map_pairs", status);
}

IMPORT(proxy_get_header_map_value)
uint32_t proxy_get_header_map_value(uint32_t map, const char *key, uint32_t key_size, char **value, uint32_t *size);

DEFINE_CALL(get_header_map_value) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "get_header_map_value", "ib", args, count)) {
        return NULL;
    }
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status = proxy_get_header_map_value(a[0].number, a[1].data, a[1].size, &answer.data, &answer.size);
    PyObject *value = answer_bytes("get_header_map_value", status, STATUS_NOT_FOUND, &answer);
    give_back(a, 2);
    return value;
}

IMPORT(proxy_add_header_map_value)
uint32_t proxy_add_header_map_value(uint32_t map, const char *key, uint32_t key_size, const char *value, uint32_t size);

DEFINE_CALL(add_header_map_value) {
    UNUSED(self);
    Arg a[3];
    if (!take(a, "add_header_map_value", "ibb", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_add_header_map_value(a[0].number, a[1].data, a[1].size, a[2].data, a[2].size);
    give_back(a, 3);
    return done("add_header_map_value", status);
}

IMPORT(proxy_replace_header_map_value)
uint32_t proxy_replace_header_map_value(uint32_t map, const char *key, uint32_t key_size, const char *value,
                                        uint32_t size);

DEFINE_CALL(replace_header_map_value) {
    UNUSED(self);
    Arg a[3];
    if (!take(a, "replace_header_map_value", "ibb", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_replace_header_map_value(a[0].number, a[1].data, a[1].size, a[2].data, a[2].size);
    give_back(a, 3);
    return done("replace_header_map_value", status);
}

IMPORT(proxy_remove_header_map_value)
uint32_t proxy_remove_header_map_value(uint32_t map, const char *key, uint32_t key_size);

DEFINE_CALL(remove_header_map_value) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "remove_header_map_value", "ib", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_remove_header_map_value(a[0].number, a[1].data, a[1].size);
    give_back(a, 2);
    return done("remove_header_map_value", status);
}

PyMethodDef calls_maps[] = {
    CALL(get_header_map_size),
    CALL(get_header_map_pairs),
    CALL(set_header_map_pairs),
    CALL(get_header_map_value),
    CALL(add_header_map_value),
    CALL(replace_header_map_value),
    CALL(remove_header_map_value),
    {NULL, NULL, 0, NULL},
};
