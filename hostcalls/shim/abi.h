/* Words of the Proxy-Wasm ABI v0.2.1 (specification, sections "Types" and "Status codes"). */
#ifndef SHIM_ABI_H
#define SHIM_ABI_H

#include <stdint.h>

#define IMPORT(name) __attribute__((import_module("env"), import_name(#name)))
#define IMPORT_WASI(name) __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name)))
#define EXPORT(name) __attribute__((export_name(#name)))

enum status {
    STATUS_OK = 0,
    STATUS_NOT_FOUND = 1,
    STATUS_BAD_ARGUMENT = 2,
    STATUS_INVALID_MEMORY_ACCESS = 6,
    STATUS_EMPTY = 7,
};

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_CRITICAL };

enum action { ACTION_CONTINUE = 0, ACTION_PAUSE = 1 };

enum stream_type { STREAM_HTTP_REQUEST, STREAM_HTTP_RESPONSE, STREAM_DOWNSTREAM, STREAM_UPSTREAM };

#endif
