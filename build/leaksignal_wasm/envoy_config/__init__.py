"""Envoy configuration as plain dicts, ready for JSON or YAML (seam 4 of docs/internals.md).

    plugin = WasmPlugin(Path("filter.wasm"), configuration={"level": "info"})
    with EnvoyProcess(proxy([plugin], Upstream("127.0.0.1", 8080))) as envoy:
        urllib.request.urlopen(envoy.url("/orders"))

or, from its parts:

    config = bootstrap(
        listeners=[http_listener(routes=[route("orders")], filters=[http_wasm_filter(plugin)])],
        clusters=[cluster("orders", "127.0.0.1", 8080)],
    )
"""

from leaksignal_wasm.envoy_config._bootstrap import bootstrap, heap_limit, memory_allocator_manager
from leaksignal_wasm.envoy_config._clusters import cluster
from leaksignal_wasm.envoy_config._listeners import (
    Codec,
    direct_response,
    file_access_log,
    http_listener,
    route,
    router,
    stdout_access_log,
    tcp_listener,
)
from leaksignal_wasm.envoy_config._proxy import Upstream, proxy
from leaksignal_wasm.envoy_config._tap import TapFormat, http_tap
from leaksignal_wasm.envoy_config._typed import Config, Payload, named, payload, typed
from leaksignal_wasm.envoy_config._wasm import (
    FailurePolicy,
    RemoteModule,
    WasmPlugin,
    http_wasm_filter,
    network_wasm_filter,
    wasm_access_log,
    wasm_service,
    wasm_stats_sink,
)

__all__ = [
    "Codec",
    "Config",
    "FailurePolicy",
    "Payload",
    "RemoteModule",
    "TapFormat",
    "Upstream",
    "WasmPlugin",
    "bootstrap",
    "cluster",
    "direct_response",
    "file_access_log",
    "heap_limit",
    "http_listener",
    "http_tap",
    "http_wasm_filter",
    "memory_allocator_manager",
    "named",
    "network_wasm_filter",
    "payload",
    "proxy",
    "route",
    "router",
    "stdout_access_log",
    "tcp_listener",
    "typed",
    "wasm_access_log",
    "wasm_service",
    "wasm_stats_sink",
]
