"""A Proxy-Wasm host on wasmtime: run filters of any SDK, wasm or native Python, without a proxy.

host = Host()
plugin = host.vm(Module.load("filter.wasm")).plugin(configuration=b"...")
with plugin.http_stream() as stream:
    stream.request([(":method", "GET"), (":path", "/"), (":authority", "example.org")])
    print(stream.upstream.headers)
"""

from __future__ import annotations

from proxy_wasm_host._abi import (
    AbiVersion,
    Action,
    BufferType,
    LogLevel,
    MapType,
    MetricType,
    PeerType,
    Status,
    StreamType,
)
from proxy_wasm_host._cache import cache_folder
from proxy_wasm_host._callouts import (
    LATER,
    CallFailure,
    Cluster,
    GrpcCall,
    GrpcReply,
    GrpcStream,
    HttpCall,
    HttpReply,
)
from proxy_wasm_host._clock import Clock, SystemClock, VirtualClock
from proxy_wasm_host._headers import HeaderMap, HeadersLike
from proxy_wasm_host._host import Host
from proxy_wasm_host._http import HttpStream, Message
from proxy_wasm_host._limits import FailurePolicy, Limits
from proxy_wasm_host._local_reply import LocalResponse
from proxy_wasm_host._logs import LogLine
from proxy_wasm_host._metrics import Metric, Metrics
from proxy_wasm_host._module import Module
from proxy_wasm_host._plugin import Plugin
from proxy_wasm_host._properties import PropertyValue
from proxy_wasm_host._real_call import real_upstream
from proxy_wasm_host._tcp import Bytes, TcpStream
from proxy_wasm_host._vm import Vm
from proxy_wasm_host.errors import (
    AbiVersionError,
    ClosedError,
    ComponentError,
    ConfigureFailed,
    ExportMismatchError,
    HostCallFailed,
    ImportMismatchError,
    MemoryLimitExceeded,
    ModuleError,
    ModuleFailedError,
    ModuleTrapped,
    NotWasmError,
    ProxyWasmHostError,
    StartFailed,
    StreamStateError,
    TimeLimitExceeded,
)

__all__ = [
    "LATER",
    "AbiVersion",
    "AbiVersionError",
    "Action",
    "BufferType",
    "Bytes",
    "CallFailure",
    "Clock",
    "ClosedError",
    "Cluster",
    "ComponentError",
    "ConfigureFailed",
    "ExportMismatchError",
    "FailurePolicy",
    "GrpcCall",
    "GrpcReply",
    "GrpcStream",
    "HeaderMap",
    "HeadersLike",
    "Host",
    "HostCallFailed",
    "HttpCall",
    "HttpReply",
    "HttpStream",
    "ImportMismatchError",
    "Limits",
    "LocalResponse",
    "LogLevel",
    "LogLine",
    "MapType",
    "MemoryLimitExceeded",
    "Message",
    "Metric",
    "MetricType",
    "Metrics",
    "Module",
    "ModuleError",
    "ModuleFailedError",
    "ModuleTrapped",
    "NotWasmError",
    "PeerType",
    "Plugin",
    "PropertyValue",
    "ProxyWasmHostError",
    "StartFailed",
    "Status",
    "StreamStateError",
    "StreamType",
    "SystemClock",
    "TcpStream",
    "TimeLimitExceeded",
    "VirtualClock",
    "Vm",
    "cache_folder",
    "real_upstream",
]
