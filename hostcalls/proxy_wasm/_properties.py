"""Properties: what the host knows about the stream, the connection and itself (v0.2.1, "Properties").

Which there are is up to the host; Envoy's are at
https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes. Envoy writes text as it
is, integers as 8 bytes in little-endian order, booleans as one byte, doubles as 8 bytes, timestamps as
nanoseconds since 1970 and durations as nanoseconds, messages as protobuf, and maps and lists like header
maps.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._errors import ProxyWasmError
from proxy_wasm._headers import to_bytes, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Path = str | Sequence[str]


def path_bytes(path: Path) -> bytes:
    """A path as the host wants it.

    ``"source.address"`` or ``("metadata", "filter_metadata", "envoy.lb")``, NUL between its parts.
    """
    if isinstance(path, str):
        return path.replace(".", "\0").encode()
    return "\0".join(path).encode()


class _Attribute:
    """A well-known property as an attribute of :class:`Properties`."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path


class _Text(_Attribute):
    __slots__ = ()

    def __get__(self, properties: Properties, _owner: type | None = None) -> str | None:
        return properties.get_text(self.path)


class _Int(_Attribute):
    __slots__ = ()

    def __get__(self, properties: Properties, _owner: type | None = None) -> int | None:
        return properties.get_int(self.path)


class _Bool(_Attribute):
    __slots__ = ()

    def __get__(self, properties: Properties, _owner: type | None = None) -> bool | None:
        return properties.get_bool(self.path)


class Properties:
    """The properties. Whatever the host does not have is ``None``."""

    __slots__ = ()

    source_address = _Text("source.address")
    """Address and port of the client."""
    destination_address = _Text("destination.address")
    """Address and port that the client connected to."""
    request_id = _Text("request.id")
    """The ``x-request-id`` header."""
    request_path = _Text("request.path")
    """Path and query."""
    request_host = _Text("request.host")
    """The host that the client asked for."""
    request_method = _Text("request.method")
    """The HTTP method."""
    request_scheme = _Text("request.scheme")
    """``http`` or ``https``."""
    request_protocol = _Text("request.protocol")
    """``HTTP/1.0``, ``HTTP/1.1``, ``HTTP/2`` or ``HTTP/3``."""
    request_time = _Int("request.time")
    """When the first byte came, in nanoseconds since 1970."""
    request_duration = _Int("request.duration")
    """How long it took, in nanoseconds; known in ``on_log``."""
    request_size = _Int("request.size")
    """Bytes of the request's body."""
    response_code = _Int("response.code")
    """The HTTP status code."""
    response_size = _Int("response.size")
    """Bytes of the response's body."""
    connection_id = _Int("connection.id")
    """Number of the downstream connection."""
    tls_version = _Text("connection.tls_version")
    """TLS version of the downstream connection, such as ``TLSv1.3``."""
    requested_server_name = _Text("connection.requested_server_name")
    """TLS server name (SNI) that the client asked for."""
    mtls = _Bool("connection.mtls")
    """Whether the client showed a certificate that was checked."""
    subject_peer_certificate = _Text("connection.subject_peer_certificate")
    """Subject of the client's certificate."""
    uri_san_peer_certificate = _Text("connection.uri_san_peer_certificate")
    """First URI in the client's certificate, such as a SPIFFE id."""
    upstream_address = _Text("upstream.address")
    """Address and port of the upstream host."""
    route_name = _Text("route_name")
    """Name of the matched route."""
    cluster_name = _Text("cluster_name")
    """Name of the upstream cluster."""
    node_id = _Text("node.id")
    """The proxy's node id."""
    node_cluster = _Text("node.cluster")
    """The proxy's node cluster."""
    plugin_name = _Text("plugin_name")
    """Name of the plugin in the proxy's configuration."""
    plugin_root_id = _Text("plugin_root_id")
    """Root id of the plugin."""
    plugin_vm_id = _Text("plugin_vm_id")
    """Id of the VM."""

    def get(self, path: Path) -> bytes | None:
        """The value as the host wrote it."""
        return host.get_property(path_bytes(path))

    def __getitem__(self, path: Path) -> bytes:
        value = self.get(path)
        if value is None:
            raise KeyError(path)
        return value

    def __contains__(self, path: Path) -> bool:
        return self.get(path) is not None

    def set(self, path: Path, value: str | bytes) -> None:
        """Set a property of the stream. Envoy keeps it in the filter state, under ``wasm.`` and the path.

        Envoy finds it again only under a path of one part: ``"mark"``, or ``("my.mark",)`` for a name with dots.
        """
        host.set_property(path_bytes(path), to_bytes(value))

    def get_text(self, path: Path) -> str | None:
        """Text; see :mod:`proxy_wasm._headers` for bytes that are not UTF-8."""
        value = self.get(path)
        return None if value is None else to_text(value)

    def get_int(self, path: Path) -> int | None:
        """A signed or unsigned integer below 2**63."""
        value = self.get(path)
        return None if value is None else _number(path, value)

    def get_bool(self, path: Path) -> bool | None:
        """A boolean."""
        value = self.get(path)
        if value is None:
            return None
        if len(value) != 1:
            raise _mismatch(path, value, "a boolean is one byte")
        return value != b"\0"

    def get_timestamp(self, path: Path) -> int | None:
        """Nanoseconds since 1970-01-01 00:00 UTC."""
        return self.get_int(path)

    def get_duration(self, path: Path) -> int | None:
        """Nanoseconds."""
        return self.get_int(path)

    def get_map(self, path: Path) -> list[tuple[bytes, bytes]] | None:
        """A map, as pairs."""
        value = self.get(path)
        return None if value is None else _pairs(path, value)

    def get_list(self, path: Path) -> list[bytes] | None:
        """A list."""
        pairs = self.get_map(path)
        return None if pairs is None else [item for item, _ in pairs]


def _number(path: Path, value: bytes) -> int:
    if len(value) != 8:  # noqa: PLR2004 - an int64
        raise _mismatch(path, value, "an integer is 8 bytes")
    return int.from_bytes(value, "little", signed=True)


def _pairs(path: Path, value: bytes) -> list[tuple[bytes, bytes]]:
    """The ABI's map serialisation (v0.2.1, "Serialization")."""
    count = int.from_bytes(value[:4], "little")
    end = 4 + 8 * count
    pairs: list[tuple[bytes, bytes]] = []
    for index in range(count):
        sizes = value[4 + 8 * index : 12 + 8 * index]
        middle = end + int.from_bytes(sizes[:4], "little")
        last = middle + 1 + int.from_bytes(sizes[4:], "little")
        if last >= len(value):
            raise _mismatch(path, value, "a map is counts and sizes, then keys and values")
        pairs.append((value[end:middle], value[middle + 1 : last]))
        end = last + 1
    return pairs


def _mismatch(path: Path, value: bytes, expected: str) -> ProxyWasmError:
    return ProxyWasmError(f"property {path!r} is {len(value)} bytes, and {expected}: ask for its own type")


PROPERTIES = Properties()
