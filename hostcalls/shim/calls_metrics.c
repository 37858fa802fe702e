/* Host calls: metrics. */

#include "shim.h"

IMPORT(proxy_define_metric)
uint32_t proxy_define_metric(uint32_t type, const char *name, uint32_t name_size, uint32_t *id);

DEFINE_CALL(define_metric) {
    UNUSED(self);
    Arg a[2];
    if (!take(a, "define_metric", "ib", args, count)) {
        return NULL;
    }
    uint32_t id = 0;
    uint32_t status = proxy_define_metric(a[0].number, a[1].data, a[1].size, &id);
    give_back(a, 2);
    return answer_number("define_metric", status, id);
}

IMPORT(proxy_record_metric) uint32_t proxy_record_metric(uint32_t id, int64_t value);

DEFINE_CALL(record_metric) {
    UNUSED(self);
    Arg a[2];
    return take(a, "record_metric", "il", args, count)
               ? done("record_metric", proxy_record_metric(a[0].number, a[1].wide))
               : NULL;
}

IMPORT(proxy_increment_metric) uint32_t proxy_increment_metric(uint32_t id, int64_t delta);

DEFINE_CALL(increment_metric) {
    UNUSED(self);
    Arg a[2];
    return take(a, "increment_metric", "il", args, count)
               ? done("increment_metric", proxy_increment_metric(a[0].number, a[1].wide))
               : NULL;
}

IMPORT(proxy_get_metric) uint32_t proxy_get_metric(uint32_t id, uint64_t *value);

DEFINE_CALL(get_metric) {
    UNUSED(self);
    Arg a[1];
    if (!take(a, "get_metric", "i", args, count)) {
        return NULL;
    }
    uint64_t value = 0;
    uint32_t status = proxy_get_metric(a[0].number, &value);
    return status == STATUS_OK ? PyLong_FromUnsignedLongLong(value) : fail("get_metric", status);
}

PyMethodDef calls_metrics[] = {
    CALL(define_metric),
    CALL(record_metric),
    CALL(increment_metric),
    CALL(get_metric),
    {NULL, NULL, 0, NULL},
};
