/* Host calls: bodies, stream data, configuration. */

#include "shim.h"

IMPORT(proxy_get_buffer_bytes)
uint32_t proxy_get_buffer_bytes(uint32_t buffer, uint32_t start, uint32_t max_size, char **data, uint32_t *size);

DEFINE_CALL(get_buffer_bytes) {
    UNUSED(self);
    Arg a[3];
    if (!take(a, "get_buffer_bytes", "iii", args, count)) {
        return NULL;
    }
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status = proxy_get_buffer_bytes(a[0].number, a[1].number, a[2].number, &answer.data, &answer.size);
    return answer_bytes("get_buffer_bytes", status, STATUS_NOT_FOUND, &answer);
}

IMPORT(proxy_get_buffer_status) uint32_t proxy_get_buffer_status(uint32_t buffer, uint32_t *size, uint32_t *flags);

DEFINE_CALL(get_buffer_status) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "get_buffer_status", "i", args, count)) {
        return NULL;
    }
    uint32_t size = 0, flags = 0;
    uint32_t status = proxy_get_buffer_status(a[0].number, &size, &flags);
    if (status == STATUS_NOT_FOUND) {
        Py_RETURN_NONE;
    }
    return status == STATUS_OK ? Py_BuildValue("(II)", (unsigned int)size, (unsigned int)flags)
                               : fail("get_buffer_status", status);
}

IMPORT(proxy_set_buffer_bytes)
uint32_t proxy_set_buffer_bytes(uint32_t buffer, uint32_t start, uint32_t size, const char *value, uint32_t value_size);

DEFINE_CALL(set_buffer_bytes) {
    UNUSED(self);
    Arg a[4];
    if (!take(a, "set_buffer_bytes", "iiib", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_set_buffer_bytes(a[0].number, a[1].number, a[2].number, a[3].data, a[3].size);
    give_back(a, 4);
    return done("set_buffer_bytes", status);
}

PyMethodDef calls_buffers[] = {
    CALL(get_buffer_bytes),
    CALL(get_buffer_status),
    CALL(set_buffer_bytes),
    {NULL, NULL, 0, NULL},
};
