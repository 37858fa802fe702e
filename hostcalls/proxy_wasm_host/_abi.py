"""Numbers and signatures of the Proxy-Wasm ABI, versions 0.1.0 to 0.2.1.

Source: the Proxy-Wasm specification (abi-versions/) and the function lists of Envoy's host.
"""

from __future__ import annotations

import enum
from typing import Final


class AbiVersion(enum.Enum):
    """What a module exports to say which ABI it was built for."""

    V0_1_0 = "proxy_abi_version_0_1_0"
    V0_2_0 = "proxy_abi_version_0_2_0"
    V0_2_1 = "proxy_abi_version_0_2_1"

    def __str__(self) -> str:
        return self.value.removeprefix("proxy_abi_version_").replace("_", ".")


class Status(enum.IntEnum):
    """`proxy_status_t`. 5, 9 and 11 are Envoy's own: bad expression, result mismatch, broken connection."""

    OK = 0
    NOT_FOUND = 1
    BAD_ARGUMENT = 2
    SERIALIZATION_FAILURE = 3
    PARSE_FAILURE = 4
    BAD_EXPRESSION = 5
    INVALID_MEMORY_ACCESS = 6
    EMPTY = 7
    CAS_MISMATCH = 8
    RESULT_MISMATCH = 9
    INTERNAL_FAILURE = 10
    BROKEN_CONNECTION = 11
    UNIMPLEMENTED = 12


class LogLevel(enum.IntEnum):
    """`proxy_log_level_t`."""

    TRACE = 0
    DEBUG = 1
    INFO = 2
    WARN = 3
    ERROR = 4
    CRITICAL = 5


class Action(enum.IntEnum):
    """`proxy_action_t`: what a callback of a stream answers."""

    CONTINUE = 0
    PAUSE = 1


class BufferType(enum.IntEnum):
    """`proxy_buffer_type_t`."""

    HTTP_REQUEST_BODY = 0
    HTTP_RESPONSE_BODY = 1
    DOWNSTREAM_DATA = 2
    UPSTREAM_DATA = 3
    HTTP_CALL_RESPONSE_BODY = 4
    GRPC_CALL_MESSAGE = 5
    VM_CONFIGURATION = 6
    PLUGIN_CONFIGURATION = 7
    FOREIGN_FUNCTION_ARGUMENTS = 8


class MapType(enum.IntEnum):
    """`proxy_map_type_t`."""

    HTTP_REQUEST_HEADERS = 0
    HTTP_REQUEST_TRAILERS = 1
    HTTP_RESPONSE_HEADERS = 2
    HTTP_RESPONSE_TRAILERS = 3
    GRPC_CALL_INITIAL_METADATA = 4
    GRPC_CALL_TRAILING_METADATA = 5
    HTTP_CALL_RESPONSE_HEADERS = 6
    HTTP_CALL_RESPONSE_TRAILERS = 7


class StreamType(enum.IntEnum):
    """`proxy_stream_type_t`."""

    HTTP_REQUEST = 0
    HTTP_RESPONSE = 1
    DOWNSTREAM = 2
    UPSTREAM = 3


class PeerType(enum.IntEnum):
    """`proxy_peer_type_t`: who closed a connection."""

    UNKNOWN = 0
    LOCAL = 1
    REMOTE = 2


class MetricType(enum.IntEnum):
    """`proxy_metric_type_t`."""

    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2


MAX_PAIRS_BYTES: Final = 1024 * 1024
"""Envoy drops larger serialised maps from a guest (they read as empty)."""
MAX_PAIRS: Final = 1024
"""Envoy drops serialised maps with more pairs than this."""
MAX_RANDOM_BYTES: Final = 64 * 1024
MAX_MEMORY: Final = 1 << 30
"""Bytes of linear memory Envoy allows a VM."""

# Signatures: one letter a parameter (i = i32, I = i64), a colon, then the results.

PROXY_IMPORTS: Final[dict[str, str]] = {
    "proxy_log": "iii:i",
    "proxy_get_status": "iii:i",
    "proxy_set_property": "iiii:i",
    "proxy_get_property": "iiii:i",
    "proxy_send_local_response": "iiiiiiii:i",
    "proxy_get_shared_data": "iiiii:i",
    "proxy_set_shared_data": "iiiii:i",
    "proxy_register_shared_queue": "iii:i",
    "proxy_resolve_shared_queue": "iiiii:i",
    "proxy_dequeue_shared_queue": "iii:i",
    "proxy_enqueue_shared_queue": "iii:i",
    "proxy_get_header_map_value": "iiiii:i",
    "proxy_add_header_map_value": "iiiii:i",
    "proxy_replace_header_map_value": "iiiii:i",
    "proxy_remove_header_map_value": "iii:i",
    "proxy_get_header_map_pairs": "iii:i",
    "proxy_set_header_map_pairs": "iii:i",
    "proxy_get_header_map_size": "ii:i",
    "proxy_get_buffer_status": "iii:i",
    "proxy_get_buffer_bytes": "iiiii:i",
    "proxy_set_buffer_bytes": "iiiii:i",
    "proxy_http_call": "iiiiiiiiii:i",
    "proxy_grpc_call": "iiiiiiiiiiii:i",
    "proxy_grpc_stream": "iiiiiiiii:i",
    "proxy_grpc_close": "i:i",
    "proxy_grpc_cancel": "i:i",
    "proxy_grpc_send": "iiii:i",
    "proxy_set_tick_period_milliseconds": "i:i",
    "proxy_get_current_time_nanoseconds": "i:i",
    "proxy_define_metric": "iiii:i",
    "proxy_increment_metric": "iI:i",
    "proxy_record_metric": "iI:i",
    "proxy_get_metric": "ii:i",
    "proxy_set_effective_context": "i:i",
    "proxy_done": ":i",
    "proxy_call_foreign_function": "iiiiii:i",
}
"""`env` functions of every ABI version."""

VERSIONED_IMPORTS: Final[dict[AbiVersion, dict[str, str]]] = {
    AbiVersion.V0_1_0: {
        "proxy_get_configuration": "ii:i",
        "proxy_continue_request": ":i",
        "proxy_continue_response": ":i",
        "proxy_clear_route_cache": ":i",
    },
    AbiVersion.V0_2_0: {"proxy_continue_stream": "i:i", "proxy_close_stream": "i:i"},
    AbiVersion.V0_2_1: {
        "proxy_continue_stream": "i:i",
        "proxy_close_stream": "i:i",
        "proxy_get_log_level": "i:i",
    },
}

OTHER_ENV_IMPORTS: Final[dict[str, str]] = {
    "pthread_equal": "ii:i",
    "emscripten_notify_memory_growth": "i:",
    "envoy_resolve_dns": "iii:i",
}
"""`env` functions Envoy offers besides the ABI's."""

WASI_IMPORTS: Final[dict[str, str]] = {
    "args_get": "ii:i",
    "args_sizes_get": "ii:i",
    "clock_res_get": "ii:i",
    "clock_time_get": "iIi:i",
    "environ_get": "ii:i",
    "environ_sizes_get": "ii:i",
    "fd_advise": "iIIi:i",
    "fd_allocate": "iII:i",
    "fd_close": "i:i",
    "fd_datasync": "i:i",
    "fd_fdstat_get": "ii:i",
    "fd_fdstat_set_flags": "ii:i",
    "fd_fdstat_set_rights": "iII:i",
    "fd_filestat_get": "ii:i",
    "fd_filestat_set_size": "iI:i",
    "fd_filestat_set_times": "iIIi:i",
    "fd_pread": "iiiIi:i",
    "fd_prestat_dir_name": "iii:i",
    "fd_prestat_get": "ii:i",
    "fd_pwrite": "iiiIi:i",
    "fd_read": "iiii:i",
    "fd_readdir": "iiiIi:i",
    "fd_renumber": "ii:i",
    "fd_seek": "iIii:i",
    "fd_sync": "i:i",
    "fd_tell": "ii:i",
    "fd_write": "iiii:i",
    "path_create_directory": "iii:i",
    "path_filestat_get": "iiiii:i",
    "path_filestat_set_times": "iiiiIIi:i",
    "path_link": "iiiiii:i",
    "path_open": "iiiiiIIii:i",
    "path_readlink": "iiiiii:i",
    "path_remove_directory": "iii:i",
    "path_rename": "iiiiii:i",
    "path_symlink": "iiii:i",
    "path_unlink_file": "iii:i",
    "poll_oneoff": "iiii:i",
    "proc_exit": "i:",
    "random_get": "ii:i",
    "sched_yield": ":i",
    "sock_accept": "iii:i",
    "sock_recv": "iiiiii:i",
    "sock_send": "iiiii:i",
    "sock_shutdown": "ii:i",
}
"""WASI functions with the signatures Envoy declares, under both module names (`path_link` and `path_symlink`
lack a parameter there, so a module that imports the true ones does not load)."""

WASI_MODULES: Final = ("wasi_snapshot_preview1", "wasi_unstable")

RESTRICTED_AT_START: Final = frozenset(name for name in PROXY_IMPORTS if name != "proxy_log") | frozenset(
    name for calls in VERSIONED_IMPORTS.values() for name in calls
)
"""Host calls that Envoy refuses while `_initialize`, `main` or `_start` runs (it fails the VM)."""

CALLBACKS: Final[dict[str, str]] = {
    "proxy_on_context_create": "ii:",
    "proxy_on_done": "i:i",
    "proxy_on_log": "i:",
    "proxy_on_delete": "i:",
    "proxy_on_vm_start": "ii:i",
    "proxy_validate_configuration": "ii:i",
    "proxy_on_configure": "ii:i",
    "proxy_on_tick": "i:",
    "proxy_on_new_connection": "i:i",
    "proxy_on_downstream_data": "iii:i",
    "proxy_on_downstream_connection_close": "ii:",
    "proxy_on_upstream_data": "iii:i",
    "proxy_on_upstream_connection_close": "ii:",
    "proxy_on_request_headers": "iii:i",
    "proxy_on_request_body": "iii:i",
    "proxy_on_request_trailers": "ii:i",
    "proxy_on_request_metadata": "ii:i",
    "proxy_on_response_headers": "iii:i",
    "proxy_on_response_body": "iii:i",
    "proxy_on_response_trailers": "ii:i",
    "proxy_on_response_metadata": "ii:i",
    "proxy_on_http_call_response": "iiiii:",
    "proxy_on_grpc_receive_initial_metadata": "iii:",
    "proxy_on_grpc_receive": "iii:",
    "proxy_on_grpc_receive_trailing_metadata": "iii:",
    "proxy_on_grpc_close": "iii:",
    "proxy_on_queue_ready": "ii:",
    "proxy_on_foreign_function": "iii:",
}
"""Exports a host calls, with the signatures of 0.2.x."""

CALLBACKS_0_1_0: Final[dict[str, str]] = {
    **{name: signature for name, signature in CALLBACKS.items() if name != "proxy_on_foreign_function"},
    "proxy_on_request_headers": "ii:i",
    "proxy_on_response_headers": "ii:i",
}

ENTRY_POINTS: Final[dict[str, str]] = {
    "_initialize": ":",
    "_start": ":",
    "main": "ii:i",
    "__main_void": ":i",
    "malloc": "i:i",
    "proxy_on_memory_allocate": "i:i",
}


def env_imports(version: AbiVersion) -> dict[str, str]:
    """Return all `env` functions for modules of `version`, name to signature."""
    return {**PROXY_IMPORTS, **VERSIONED_IMPORTS[version], **OTHER_ENV_IMPORTS}


def callbacks(version: AbiVersion) -> dict[str, str]:
    """Return all callbacks of `version`, name to signature."""
    return CALLBACKS_0_1_0 if version is AbiVersion.V0_1_0 else CALLBACKS
