"""Properties: what `proxy_get_property` answers, in Envoy's encodings.

The tree is that of Envoy's attributes (docs: "Attributes"). Values here are Python's: `str` and `bytes` as
they are, `bool` one byte, `int` eight bytes (signed, little endian; times and durations are nanoseconds),
`float` eight bytes, maps and lists serialised as pairs.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import MapType, Status
from proxy_wasm_host._context import StreamContext
from proxy_wasm_host._http import HttpStream
from proxy_wasm_host._local_reply import GRPC_UNKNOWN, HTTP_TO_GRPC
from proxy_wasm_host._pairs import serialise
from proxy_wasm_host._tcp import TcpStream
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_wasm_host._context import Context
    from proxy_wasm_host._headers import HeaderMap
    from proxy_wasm_host._vm import Vm

PropertyValue = str | bytes | bool | int | float | Mapping[str, "PropertyValue"] | Sequence["PropertyValue"]

_MAX_DEPTH = 64
"""Components a path may have."""


def encode(value: PropertyValue) -> bytes:
    """Return `value` as Envoy hands it to a module."""
    if isinstance(value, (bytes, str)):
        return value if isinstance(value, bytes) else value.encode()
    if isinstance(value, (int, float)):
        # bool is an int to Python, but a byte to Envoy.
        return struct.pack({bool: "<?", int: "<q"}.get(type(value), "<d"), value)
    if isinstance(value, Mapping):
        return serialise([(name.encode(), encode(item)) for name, item in value.items()])
    return serialise([(encode(item), b"") for item in value])


def read_property(vm: Vm, context: Context, path: bytes) -> bytes:
    """Return the property at `path` (components separated by NUL) as `context` sees it."""
    if path.count(b"\0") > _MAX_DEPTH:
        # No property lies as deep, and a module may hand in all of its memory.
        raise HostCallFailed(Status.NOT_FOUND)
    parts = path.split(b"\0")
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
    names = [part.decode("utf-8", "backslashreplace") for part in parts]
    value = _given(vm, context, names)
    if value is None:
        value = _plugin_property(vm, context, names)
    if value is None and isinstance(context, StreamContext):
        value = _stream_property(vm, context, path, names)
    if value is None:
        raise HostCallFailed(Status.NOT_FOUND)
    return encode(value)


def _given(vm: Vm, context: Context, names: list[str]) -> PropertyValue | None:
    """Return what the test or replay has set, on the stream or the host."""
    dotted = ".".join(names)
    layers = [vm.host.properties]
    if isinstance(context, StreamContext):
        layers.insert(0, context.stream.properties)
    for layer in layers:
        if dotted in layer:
            return layer[dotted]
        for cut in range(len(names) - 1, 0, -1):
            value: PropertyValue | None = layer.get(".".join(names[:cut]))
            for name in names[cut:]:
                value = _child(value, name)
            if value is not None:
                return value
    return None


def _child(value: PropertyValue | None, name: str) -> PropertyValue | None:
    if isinstance(value, Mapping):
        return value.get(name)
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return value[int(name)] if name.isdigit() and int(name) < len(value) else None
    return None


def _plugin_property(vm: Vm, context: Context, names: list[str]) -> PropertyValue | None:
    dotted = ".".join(names)
    if dotted.startswith("xds.node"):
        return _FIXED.get(dotted)
    if dotted == "plugin_vm_id":
        return vm.vm_id
    plugin = context.plugin
    return (
        None if plugin is None else {"plugin_name": plugin.name, "plugin_root_id": plugin.root_id}.get(dotted)
    )


def _stream_property(vm: Vm, context: StreamContext, path: bytes, names: list[str]) -> PropertyValue | None:
    stream = context.stream
    # Envoy looks set_property's values up by the first component alone.
    key = path.removesuffix(b"\0") if vm.host.quirks or path not in stream.filter_state else path
    if key in stream.filter_state and (b"\0" not in key or not vm.host.quirks):
        return stream.filter_state[key]
    dotted = ".".join(names)
    if dotted in ("connection_id", "connection.id"):
        return stream.connection_id
    if dotted in _FIXED:
        return _FIXED[dotted]
    if names in (["request"], ["response"]):
        # Envoy can't list these.
        raise HostCallFailed(Status.SERIALIZATION_FAILURE)
    if isinstance(stream, HttpStream):
        return _http_property(stream, names)
    return _tcp_property(stream, dotted) if isinstance(stream, TcpStream) else None


_FIXED: dict[str, PropertyValue] = {
    "source.address": "127.0.0.1:50000",
    "source.port": 50000,
    "destination.address": "127.0.0.1:10000",
    "destination.port": 10000,
    "xds.listener_direction": 0,
    "connection.mtls": False,
    "connection.requested_server_name": "",
    "xds.node": b"",
    "xds.node.id": "",
    "xds.node.cluster": "",
    "xds.filter_chain_name": "",
    "metadata": b"",
}


def _http_property(stream: HttpStream, names: list[str]) -> PropertyValue | None:
    if len(names) >= 2 and names[1] in ("headers", "trailers"):  # noqa: PLR2004 -- group and member
        return _field(stream, names)
    reader = _READERS.get(".".join(names))
    return None if reader is None else reader(stream)


def _tcp_property(stream: TcpStream, dotted: str) -> PropertyValue | None:
    if dotted in ("request.size", "request.total_size"):
        return stream.received[0]
    if dotted in ("response.size", "response.total_size"):
        return stream.received[1]
    # Envoy connects to the upstream before it reads from the client.
    of_upstream = dotted in (
        "upstream.address",
        "upstream.port",
        "upstream.local_address",
        "xds.cluster_name",
    )
    if of_upstream and not stream.offered:
        return None
    return stream.started_at if dotted == "request.time" else _TCP_FIXED.get(dotted)


_TCP_FIXED: dict[str, PropertyValue] = {
    "request.headers": serialise([]),
    "request.headers_bytes": 0,
    "response.headers": serialise([]),
    "response.headers_bytes": 0,
    "response.flags": 0,
    "upstream.address": "127.0.0.1:8080",
    "upstream.port": 8080,
    "upstream.local_address": "127.0.0.1:40000",
    "upstream.transport_failure_reason": "",
    "xds.cluster_name": "upstream",
}


def _map(stream: HttpStream, kind: MapType) -> HeaderMap | None:
    """Return a map as far as properties see it: in Envoy only while the guest can reach it, or in the log."""
    if not stream.host.quirks:
        return stream.map_of(kind)
    context = stream.context
    return (context.maps if context.log_maps is None else context.log_maps)[kind]


def _field(stream: HttpStream, names: list[str]) -> PropertyValue | None:
    kinds = {
        ("request", "headers"): MapType.HTTP_REQUEST_HEADERS,
        ("response", "headers"): MapType.HTTP_RESPONSE_HEADERS,
        ("response", "trailers"): MapType.HTTP_RESPONSE_TRAILERS,
    }
    kind = kinds.get((names[0], names[1]))
    if kind is None:
        return None
    headers = _map(stream, kind)
    if len(names) == 2:  # noqa: PLR2004 -- the whole map
        return serialise([] if headers is None else headers.pairs())
    return None if headers is None else _joined(headers, names[2])


def _joined(headers: HeaderMap, name: str) -> bytes | None:
    values = headers.get_all(name)
    return b",".join(values) if values else None


def _request(name: str) -> Callable[[HttpStream], PropertyValue | None]:
    def read(stream: HttpStream) -> PropertyValue | None:
        headers = _map(stream, MapType.HTTP_REQUEST_HEADERS)
        return None if headers is None else headers.first(name.encode())

    return read


def _path_part(*, query: bool) -> Callable[[HttpStream], PropertyValue | None]:
    def read(stream: HttpStream) -> PropertyValue | None:
        headers = _map(stream, MapType.HTTP_REQUEST_HEADERS)
        path = None if headers is None else headers.first(b":path")
        if path is None:
            return None
        before, _mark, after = path.partition(b"?")
        return after.partition(b"#")[0] if query else before

    return read


def _size(side: int) -> Callable[[HttpStream], PropertyValue | None]:
    def read(stream: HttpStream) -> PropertyValue | None:
        headers = _map(stream, MapType.HTTP_RESPONSE_HEADERS if side else MapType.HTTP_REQUEST_HEADERS)
        length = None if side or headers is None else headers.first(b"content-length")
        return int(length) if length is not None and length.isdigit() else _body_bytes(stream, side)

    return read


def _body_bytes(stream: HttpStream, side: int) -> int:
    """Return the bytes received of a request, sent of a response."""
    return sum(map(len, stream.downstream.chunks)) if side else stream.received(0)


def _headers_bytes(kind: MapType) -> Callable[[HttpStream], PropertyValue | None]:
    def read(stream: HttpStream) -> PropertyValue | None:
        headers = _map(stream, kind)
        return 0 if headers is None else headers.byte_size()

    return read


def _total_size(side: int) -> Callable[[HttpStream], PropertyValue | None]:
    def read(stream: HttpStream) -> PropertyValue | None:
        maps = (
            (MapType.HTTP_RESPONSE_HEADERS, MapType.HTTP_RESPONSE_TRAILERS)
            if side
            else (MapType.HTTP_REQUEST_HEADERS,)
        )
        present = [headers for kind in maps if (headers := _map(stream, kind)) is not None]
        return _body_bytes(stream, side) + sum(headers.byte_size() for headers in present)

    return read


def _response_code(stream: HttpStream) -> PropertyValue | None:
    # The router notes the upstream's code before any filter sees it; that of a local reply is known once sent.
    if stream.downstream.headers is not None:
        return stream.downstream.status
    return None if stream.local_response is not None else stream.upstream_status


def _grpc_status(stream: HttpStream) -> PropertyValue | None:
    for kind in (MapType.HTTP_RESPONSE_TRAILERS, MapType.HTTP_RESPONSE_HEADERS):
        headers = _map(stream, kind)
        value = None if headers is None else headers.first(b"grpc-status")
        if value is not None and value.isdigit():
            return int(value)
    code = _response_code(stream)
    return HTTP_TO_GRPC.get(code, GRPC_UNKNOWN) if isinstance(code, int) else None


def _code_details(stream: HttpStream) -> PropertyValue | None:
    if stream.local_response is not None:
        return stream.local_response.details
    return None if stream.upstream_status is None else "via_upstream"


def _of_upstream(value: PropertyValue) -> Callable[[HttpStream], PropertyValue | None]:
    """Read a fact of the upstream host, known once there is one."""
    return lambda stream: None if stream.upstream.headers is None else value


_READERS: dict[str, Callable[[HttpStream], PropertyValue | None]] = {
    "request.path": _request(":path"),
    "request.url_path": _path_part(query=False),
    "request.query": _path_part(query=True),
    "request.host": _request(":authority"),
    "request.scheme": _request(":scheme"),
    "request.method": _request(":method"),
    "request.referer": _request("referer"),
    "request.useragent": _request("user-agent"),
    "request.id": _request("x-request-id"),
    "request.protocol": lambda _stream: "HTTP/1.1",
    "request.time": lambda stream: stream.started_at,
    "request.duration": lambda stream: (
        stream.host.clock.realtime() - stream.started_at if stream.closed else None
    ),
    "request.headers_bytes": _headers_bytes(MapType.HTTP_REQUEST_HEADERS),
    "response.headers_bytes": _headers_bytes(MapType.HTTP_RESPONSE_HEADERS),
    "request.size": _size(0),
    "request.total_size": _total_size(0),
    "xds.cluster_name": lambda _stream: "upstream",
    "xds.route_name": lambda _stream: "",
    "xds.virtual_host_name": lambda _stream: "",
    "upstream.address": _of_upstream("127.0.0.1:8080"),
    "upstream.port": _of_upstream(8080),
    "upstream.local_address": lambda stream: None if stream.upstream_status is None else "127.0.0.1:40000",
    "upstream.transport_failure_reason": _of_upstream(""),
    "response.code": _response_code,
    "response.code_details": _code_details,
    "response.flags": lambda _stream: 0,
    "response.grpc_status": _grpc_status,
    "response.size": _size(1),
    "response.total_size": _total_size(1),
}
