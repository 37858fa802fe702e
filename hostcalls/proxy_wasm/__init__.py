"""Write Proxy-Wasm filters in Python: https://github.com/proxy-wasm/spec, ABI version 0.2.1.

Derive from :class:`HttpContext` (or :class:`TcpContext`, or :class:`PluginContext`) and override the
callbacks you need::

    from proxy_wasm import Action, HttpContext

    class Auth(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action | None:
            if "authorization" not in self.request_headers:
                self.send_response(401)
                return Action.PAUSE
            return None

Everything public is here; :mod:`proxy_wasm.logging` alone is imported by itself, since it brings the standard
``logging`` along.
"""

from __future__ import annotations

from proxy_wasm import log
from proxy_wasm._body import Body
from proxy_wasm._calls import GrpcCall, GrpcResponse, GrpcStream, HttpCall, HttpCallResponse
from proxy_wasm._contexts import Context, PluginContext, StreamContext
from proxy_wasm._errors import (
    BadArgumentError,
    CallFailedError,
    CasMismatchError,
    EmptyError,
    GrpcCallFailedError,
    HostCallError,
    HostNotBoundError,
    HttpCallFailedError,
    InternalFailureError,
    InvalidHeaderError,
    InvalidMemoryAccessError,
    LocalResponseSentError,
    NotFoundError,
    ParseFailureError,
    PluginDiscoveryError,
    ProxyWasmError,
    SerializationFailureError,
    UnimplementedError,
)
from proxy_wasm._functions import build_data, call_foreign_function, get_current_time_nanoseconds, get_status
from proxy_wasm._headers import HeaderMap, Headers, TextHeaders
from proxy_wasm._http import HttpContext
from proxy_wasm._metrics import Counter, Gauge, Histogram
from proxy_wasm._pending import gather
from proxy_wasm._properties import Properties
from proxy_wasm._shared import SharedData, SharedQueue, shared_data
from proxy_wasm._tcp import TcpContext
from proxy_wasm._types import (
    Action,
    BufferType,
    FailureMode,
    LogLevel,
    MapType,
    MetricType,
    PeerType,
    Status,
    StreamType,
)

__all__ = [
    "Action",
    "BadArgumentError",
    "Body",
    "BufferType",
    "CallFailedError",
    "CasMismatchError",
    "Context",
    "Counter",
    "EmptyError",
    "FailureMode",
    "Gauge",
    "GrpcCall",
    "GrpcCallFailedError",
    "GrpcResponse",
    "GrpcStream",
    "HeaderMap",
    "Headers",
    "Histogram",
    "HostCallError",
    "HostNotBoundError",
    "HttpCall",
    "HttpCallFailedError",
    "HttpCallResponse",
    "HttpContext",
    "InternalFailureError",
    "InvalidHeaderError",
    "InvalidMemoryAccessError",
    "LocalResponseSentError",
    "LogLevel",
    "MapType",
    "MetricType",
    "NotFoundError",
    "ParseFailureError",
    "PeerType",
    "PluginContext",
    "PluginDiscoveryError",
    "Properties",
    "ProxyWasmError",
    "SerializationFailureError",
    "SharedData",
    "SharedQueue",
    "Status",
    "StreamContext",
    "StreamType",
    "TcpContext",
    "TextHeaders",
    "UnimplementedError",
    "build_data",
    "call_foreign_function",
    "gather",
    "get_current_time_nanoseconds",
    "get_status",
    "log",
    "shared_data",
]
