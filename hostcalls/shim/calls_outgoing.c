/* Host calls: HTTP and gRPC to other services. */

#include "shim.h"

IMPORT(proxy_http_call)
uint32_t proxy_http_call(const char *upstream, uint32_t upstream_size, const char *headers, uint32_t headers_size,
                         const char *body, uint32_t body_size, const char *trailers, uint32_t trailers_size,
                         uint32_t timeout, uint32_t *call_id);

DEFINE_CALL(http_call) {
    UNUSED(self);
    Arg a[5];
    if (!take(a, "http_call", "bpbpi", args, count)) {
        return NULL;
    }
    uint32_t id = 0;
    uint32_t status = proxy_http_call(a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size, a[3].data,
                                      a[3].size, a[4].number, &id);
    give_back(a, 5);
    return answer_number("http_call", status, id);
}

IMPORT(proxy_grpc_call)
uint32_t proxy_grpc_call(const char *upstream, uint32_t upstream_size, const char *service, uint32_t service_size,
                         const char *method, uint32_t method_size, const char *metadata, uint32_t metadata_size,
                         const char *message, uint32_t message_size, uint32_t timeout, uint32_t *call_id);

DEFINE_CALL(grpc_call) {
    UNUSED(self);
    Arg a[6];
    if (!take(a, "grpc_call", "bbbpbi", args, count)) {
        return NULL;
    }
    uint32_t id = 0;
    uint32_t status = proxy_grpc_call(a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size, a[3].data,
                                      a[3].size, a[4].data, a[4].size, a[5].number, &id);
    give_back(a, 6);
    return answer_number("grpc_call", status, id);
}

IMPORT(proxy_grpc_stream)
uint32_t proxy_grpc_stream(const char *upstream, uint32_t upstream_size, const char *service, uint32_t service_size,
                           const char *method, uint32_t method_size, const char *metadata, uint32_t metadata_size,
                           uint32_t *stream_id);

DEFINE_CALL(grpc_stream) {
    UNUSED(self);
    Arg a[4];
    if (!take(a, "grpc_stream", "bbbp", args, count)) {
        return NULL;
    }
    uint32_t id = 0;
    uint32_t status = proxy_grpc_stream(a[0].data, a[0].size, a[1].data, a[1].size, a[2].data, a[2].size, a[3].data,
                                        a[3].size, &id);
    give_back(a, 4);
    return answer_number("grpc_stream", status, id);
}

IMPORT(proxy_grpc_send) uint32_t proxy_grpc_send(uint32_t id, const char *message, uint32_t size, uint32_t end_stream);

DEFINE_CALL(grpc_send) {
    UNUSED(self);
    Arg a[3];
    if (!take(a, "grpc_send", "ibo", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_grpc_send(a[0].number, a[1].data, a[1].size, a[2].number);
    give_back(a, 3);
    return done("grpc_send", status);
}

IMPORT(proxy_grpc_cancel) uint32_t proxy_grpc_cancel(uint32_t id);

DEFINE_CALL(grpc_cancel) {
    UNUSED(self);
    Arg a[1];
    return take(a, "grpc_cancel", "i", args, count) ? done("grpc_cancel", proxy_grpc_cancel(a[0].number)) : NULL;
}

IMPORT(proxy_grpc_close) uint32_t proxy_grpc_close(uint32_t id);

DEFINE_CALL(grpc_close) {
    UNUSED(self);
    Arg a[1];
    return take(a, "grpc_close", "i", args, count) ? done("grpc_close", proxy_grpc_close(a[0].number)) : NULL;
}

PyMethodDef calls_outgoing[] = {
    CALL(http_call),
    CALL(grpc_call),
    CALL(grpc_stream),
    CALL(grpc_send),
    CALL(grpc_cancel),
    CALL(grpc_close),
    {NULL, NULL, 0, NULL},
};
