/* Host calls: data and queues that all VMs share. */

#include "shim.h"

IMPORT(proxy_get_shared_data)
uint32_t proxy_get_shared_data(const char *key, uint32_t key_size, char **value, uint32_t *size, uint32_t *cas);

DEFINE_CALL(get_shared_data) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "get_shared_data", "b", args, count)) {
        return NULL;
    }
    uint32_t cas = 0;
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status = proxy_get_shared_data(a[0].data, a[0].size, &answer.data, &answer.size, &cas);
    PyObject *value = answer_bytes("get_shared_data", status, STATUS_NOT_FOUND, &answer);
    give_back(a, 1);
    return !value || value == Py_None ? value : Py_BuildValue("(NI)", value, (unsigned int)cas);
}

IMPORT(proxy_set_shared_data)
uint32_t proxy_set_shared_data(const char *key, uint32_t key_size, const char *value, uint32_t size, uint32_t cas);

DEFINE_CALL(set_shared_data) {
    UNUSED(self);
    Arg a[3];
    if (!take(a, "set_shared_data", "bbi", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_set_shared_data(a[0].data, a[0].size, a[1].data, a[1].size, a[2].number);
    give_back(a, 3);
    return done("set_shared_data", status);
}

IMPORT(proxy_register_shared_queue)
uint32_t proxy_register_shared_queue(const char *name, uint32_t name_size, uint32_t *id);

DEFINE_CALL(register_shared_queue) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "register_shared_queue", "b", args, count)) {
        return NULL;
    }
    uint32_t id = 0;
    uint32_t status = proxy_register_shared_queue(a[0].data, a[0].size, &id);
    give_back(a, 1);
    return answer_number("register_shared_queue", status, id);
}

IMPORT(proxy_resolve_shared_queue)
uint32_t proxy_resolve_shared_queue(const char *vm_id, uint32_t vm_id_size, const char *name, uint32_t name_size,
                                    uint32_t *id);

DEFINE_CALL(resolve_shared_queue) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "resolve_shared_queue", "bb", args, count)) {
        return NULL;
    }
    uint32_t id = 0;
    uint32_t status = proxy_resolve_shared_queue(a[0].data, a[0].size, a[1].data, a[1].size, &id);
    give_back(a, 2);
    if (status == STATUS_NOT_FOUND) {
        Py_RETURN_NONE;
    }
    return answer_number("resolve_shared_queue", status, id);
}

IMPORT(proxy_enqueue_shared_queue) uint32_t proxy_enqueue_shared_queue(uint32_t id, const char *value, uint32_t size);

DEFINE_CALL(enqueue_shared_queue) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "enqueue_shared_queue", "ib", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_enqueue_shared_queue(a[0].number, a[1].data, a[1].size);
    give_back(a, 2);
    return done("enqueue_shared_queue", status);
}

IMPORT(proxy_dequeue_shared_queue) uint32_t proxy_dequeue_shared_queue(uint32_t id, char **value, uint32_t *size);

DEFINE_CALL(dequeue_shared_queue) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "dequeue_shared_queue", "i", args, count)) {
        return NULL;
    }
    Landing answer;
    landing_arm(&answer, true);
    uint32_t status = proxy_dequeue_shared_queue(a[0].number, &answer.data, &answer.size);
    return answer_bytes("dequeue_shared_queue", status, STATUS_EMPTY, &answer);
}

PyMethodDef calls_shared[] = {
    CALL(get_shared_data),
    CALL(set_shared_data),
    CALL(register_shared_queue),
    CALL(resolve_shared_queue),
    CALL(enqueue_shared_queue),
    CALL(dequeue_shared_queue),
    {NULL, NULL, 0, NULL},
};
