"""What Envoy hands to a module: the functions each generation of its Proxy-Wasm host registers.

Envoy refuses a module with one import that it doesn't know, or knows with another signature, so a module
is held against every generation. Source: proxy-wasm-cpp-host, `include/proxy-wasm/exports.h`, and
`WasmBase::registerCallbacks()` of `src/wasm.cc`, by the date of the change (2020-10 clocks and randomness,
2021-11 preopened files, 2022-06 memory growth, 2024-12 and 2026-04 what Go's WASI asks for); a generation
bears the number of the first Envoy release that is sure to have it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from leaksignal_wasm.wasm import Import, Kind, Module, Signature, WasmFormatError

if TYPE_CHECKING:
    from collections.abc import Mapping

_LETTERS: Final = {"i": "i32", "l": "i64"}


def _signature(code: str) -> Signature:
    """Spell a signature: one letter a parameter, after the colon one a result."""
    parameters, _, results = code.partition(":")
    return Signature(tuple(_LETTERS[x] for x in parameters), tuple(_LETTERS[x] for x in results))


def _table(text: str) -> dict[str, Signature]:
    return {name: _signature(code) for name, code in (entry.split("=") for entry in text.split())}


PROXY_FUNCTIONS: Final = _table("""
    log=iii:i get_status=iii:i set_property=iiii:i get_property=iiii:i send_local_response=iiiiiiii:i
    get_shared_data=iiiii:i set_shared_data=iiiii:i register_shared_queue=iii:i resolve_shared_queue=iiiii:i
    dequeue_shared_queue=iii:i enqueue_shared_queue=iii:i get_header_map_value=iiiii:i
    add_header_map_value=iiiii:i replace_header_map_value=iiiii:i remove_header_map_value=iii:i
    get_header_map_pairs=iii:i set_header_map_pairs=iii:i get_header_map_size=ii:i get_buffer_status=iii:i
    get_buffer_bytes=iiiii:i set_buffer_bytes=iiiii:i http_call=iiiiiiiiii:i grpc_call=iiiiiiiiiiii:i
    grpc_stream=iiiiiiiii:i grpc_close=i:i grpc_cancel=i:i grpc_send=iiii:i set_tick_period_milliseconds=i:i
    get_current_time_nanoseconds=i:i define_metric=iiii:i increment_metric=il:i record_metric=il:i
    get_metric=ii:i set_effective_context=i:i done=:i call_foreign_function=iiiiii:i
""")
"""Host functions of every ABI version, `proxy_` left out."""

ABI_FUNCTIONS: Final[dict[str, dict[str, Signature]]] = {
    "0.1.0": _table("get_configuration=ii:i continue_request=:i continue_response=:i clear_route_cache=:i"),
    "0.2.0": _table("continue_stream=i:i close_stream=i:i"),
    "0.2.1": _table("continue_stream=i:i close_stream=i:i get_log_level=i:i"),
}
"""Host functions that only modules of one ABI version are offered, `proxy_` left out."""

_WASI_2020: Final = _table("""
    fd_write=iiii:i fd_read=iiii:i fd_seek=ilii:i fd_close=i:i fd_fdstat_get=ii:i environ_get=ii:i
    environ_sizes_get=ii:i args_get=ii:i args_sizes_get=ii:i proc_exit=i: clock_time_get=ili:i random_get=ii:i
""")
_WASI_2021: Final = _WASI_2020 | _table("path_open=iiiiillii:i fd_prestat_get=ii:i fd_prestat_dir_name=iii:i")
_WASI_2024: Final = _WASI_2021 | _table("fd_fdstat_set_flags=ii:i sched_yield=:i poll_oneoff=iiii:i")
_WASI_2026: Final = _WASI_2024 | _table("""
    clock_res_get=ii:i fd_advise=illi:i fd_allocate=ill:i fd_datasync=i:i fd_fdstat_set_rights=ill:i
    fd_filestat_get=ii:i fd_filestat_set_size=il:i fd_filestat_set_times=illi:i fd_pread=iiili:i
    fd_pwrite=iiili:i fd_readdir=iiili:i fd_renumber=ii:i fd_sync=i:i fd_tell=ii:i
    path_create_directory=iii:i path_filestat_get=iiiii:i path_filestat_set_times=iiiilli:i path_link=iiiiii:i
    path_readlink=iiiiii:i path_remove_directory=iii:i path_rename=iiiiii:i path_symlink=iiii:i
    path_unlink_file=iii:i sock_accept=iii:i sock_recv=iiiiii:i sock_send=iiiii:i sock_shutdown=ii:i
""")
# As registered: path_link has 6 parameters there, WASI's own has 7; path_symlink 4, WASI's 5


CALLBACKS: Final = {
    f"proxy_{name}": x
    for name, x in _table("""
        on_memory_allocate=i:i on_context_create=ii: on_done=i:i on_log=i: on_delete=i: on_vm_start=ii:i
        on_configure=ii:i on_tick=i: on_new_connection=i:i on_downstream_data=iii:i
        on_downstream_connection_close=ii: on_upstream_data=iii:i on_upstream_connection_close=ii:
        on_request_headers=iii:i on_request_body=iii:i on_request_trailers=ii:i on_request_metadata=ii:i
        on_response_headers=iii:i on_response_body=iii:i on_response_trailers=ii:i on_response_metadata=ii:i
        on_http_call_response=iiiii: on_grpc_receive_initial_metadata=iii: on_grpc_receive=iii:
        on_grpc_receive_trailing_metadata=iii: on_grpc_close=iii: on_queue_ready=ii: on_foreign_function=iii:
        validate_configuration=ii:i
    """).items()
}
"""What a module of ABI 0.2.x may export to be called; another signature keeps it from loading."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of Envoy's host."""

    name: str
    wasi: Mapping[str, Signature]
    env: Mapping[str, Signature]
    """Functions of `env` beside `proxy_*`."""

    def offers(self, abi: str | None) -> dict[tuple[str, str], Signature]:
        """List `(module, name)` of all that a module of this ABI version may import."""
        offered = {("env", f"proxy_{name}"): x for name, x in PROXY_FUNCTIONS.items()}
        offered |= {("env", f"proxy_{name}"): x for name, x in ABI_FUNCTIONS.get(abi or "", {}).items()}
        offered |= {("env", name): x for name, x in self.env.items()}
        for module in ("wasi_snapshot_preview1", "wasi_unstable"):
            offered |= {(module, name): x for name, x in self.wasi.items()}
        return offered


_ENV_2020: Final = _table("pthread_equal=ii:i")
_ENV_2022: Final = _ENV_2020 | _table("emscripten_notify_memory_growth=i:")

GENERATIONS: Final = (
    Generation("Envoy 1.17 (2021)", _WASI_2020, _ENV_2020),
    Generation("Envoy 1.22 (2022)", _WASI_2021, _ENV_2020),
    Generation("Envoy 1.24 (2022)", _WASI_2021, _ENV_2022),
    Generation("Envoy 1.33 (2025)", _WASI_2024, _ENV_2022),
    Generation("Envoy 1.40 (2026)", _WASI_2026, _ENV_2022),
)
"""Oldest first; each offers all that the one before offers."""

OUR_WASI: Final = frozenset({"fd_write", "clock_time_get", "random_get", "environ_get", "environ_sizes_get"})
"""The WASI functions that a module built here may import: every host has had them from the start."""

ABI_VERSIONS: Final = tuple(ABI_FUNCTIONS)


def abi_version(module: Module) -> str | None:
    """Tell the ABI version that a module declares by exporting `proxy_abi_version_X_Y_Z`."""
    exported = {x.name for x in module.exports}
    return next((x for x in ABI_VERSIONS if f"proxy_abi_version_{x.replace('.', '_')}" in exported), None)


def refusals(module: Module, generation: Generation) -> list[str]:
    """Say, for each import that this generation would refuse, why; empty if the module loads."""
    offered = generation.offers(abi_version(module))
    return [reason for entry in module.imports if (reason := _refusal(module, entry, offered))]


def _refusal(module: Module, entry: Import, offered: Mapping[tuple[str, str], Signature]) -> str | None:
    title = f"{entry.module}.{entry.name}"
    if entry.kind is Kind.MEMORY or entry.kind is Kind.TABLE:
        return None  # Envoy's V8 engine makes one of the asked size
    if entry.kind is not Kind.FUNCTION:
        return f"{title}: a {entry.kind.name.lower()}, only functions can be imported"
    wanted = offered.get((entry.module, entry.name))
    if wanted is None:
        return f"{title}: not offered"
    try:
        own = module.types[entry.type_index]
    except IndexError:
        raise WasmFormatError(f"{title} has type {entry.type_index} of {len(module.types)}", 0) from None
    return None if own == wanted else f"{title}: the module wants {own}, the host has {wanted}"
