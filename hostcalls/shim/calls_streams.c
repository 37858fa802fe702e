/* Host calls: what happens to a stream. */

#include "shim.h"

IMPORT(proxy_continue_stream) uint32_t proxy_continue_stream(uint32_t stream_type);

DEFINE_CALL(continue_stream) {
    UNUSED(self);
    Arg a[1];
    return take(a, "continue_stream", "i", args, count)
               ? done("continue_stream", proxy_continue_stream(a[0].number))
               : NULL;
}

IMPORT(proxy_close_stream) uint32_t proxy_close_stream(uint32_t stream_type);

DEFINE_CALL(close_stream) {
    UNUSED(self);
    Arg a[1];
    return take(a, "close_stream", "i", args, count) ? done("close_stream", proxy_close_stream(a[0].number)) : NULL;
}

IMPORT(proxy_send_local_response)
uint32_t proxy_send_local_response(uint32_t status, const char *details, uint32_t details_size, const char *body,
                                   uint32_t body_size, const char *headers, uint32_t headers_size,
                                   int32_t grpc_status);

DEFINE_CALL(send_local_response) {
    UNUSED(self);
    Arg a[5];
    if (!take(a, "send_local_response", "ibbpi", args, count)) {
        return NULL;
    }
    uint32_t status = proxy_send_local_response(a[0].number, a[1].data, a[1].size, a[2].data, a[2].size, a[3].data,
                                                a[3].size, (int32_t)a[4].number);
    give_back(a, 5);
    return done("send_local_response", status);
}

PyMethodDef calls_streams[] = {
    CALL(continue_stream),
    CALL(close_stream),
    CALL(send_local_response),
    {NULL, NULL, 0, NULL},
};
