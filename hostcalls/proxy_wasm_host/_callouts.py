"""Call-outs: HTTP and gRPC calls a filter makes, and the scripted or real upstreams that answer them.

An answer never comes while the filter runs: it waits until the host is idle, or until the clock gets there.
A unary gRPC call is answered by `proxy_on_grpc_receive` alone, or by `proxy_on_grpc_close` where it failed,
as in Envoy.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import Status
from proxy_wasm_host._headers import HeaderMap, HeadersLike, Joined
from proxy_wasm_host.errors import HostCallFailed, ProxyWasmHostError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_wasm_host._clock import Timer
    from proxy_wasm_host._context import RootContext
    from proxy_wasm_host._pairs import Pairs
    from proxy_wasm_host._vm import Vm

_TYPE_MASK = 3
_GRPC_CALL = 1
_GRPC_STREAM = 2
_MILLISECOND = 1_000_000
_SECOND = 1_000_000_000
_DEADLINE_EXCEEDED = 4
_MAX_TIMEOUT = 0x7FFF_FFFF
_UNAVAILABLE = 14


@dataclass(frozen=True)
class HttpReply:
    """A scripted answer to an HTTP call, `after` seconds of the host's clock."""

    status: int = 200
    body: bytes = b""
    headers: HeadersLike = ()
    trailers: HeadersLike | None = None
    after: float = 0.0


@dataclass(frozen=True)
class GrpcReply:
    """A scripted answer to a unary gRPC call: a message, or a status other than 0."""

    message: bytes = b""
    status: int = 0
    status_message: str = ""
    after: float = 0.0


@dataclass(frozen=True)
class CallFailure:
    """A scripted failure: the connection broke."""

    after: float = 0.0


class Later(enum.Enum):
    """What a handler returns to answer by itself, later (`call.reply(...)`, `call.fail()`)."""

    LATER = "later"


LATER = Later.LATER


@dataclass(eq=False)
class Call:
    """A call-out under way."""

    vm: Vm
    root: RootContext
    id: int
    cluster: str
    timeout_ms: int
    done: bool = field(default=False, init=False)
    timer: Timer | None = field(default=None, init=False, repr=False)

    def finish(self) -> bool:
        """Mark the call as over; return whether it still was under way and somebody waits for the answer."""
        if self.done:
            return False
        self.done = True
        if self.timer is not None:
            self.timer.cancel()
        self.vm.calls.open.pop(self.id, None)
        return self.vm.failure is None and self.root.id in self.vm.contexts

    def later(self, after: float, action: Callable[[], None]) -> None:
        """Let `action` happen once the host is idle, or `after` seconds."""
        host = self.vm.host
        if after > 0:

            def due() -> None:
                action()
                host.settle()

            host.clock.after(round(after * _SECOND), due)
        else:
            host.later(action)


@dataclass(eq=False)
class HttpCall(Call):
    """An HTTP call: what the filter asked for, and how to answer it."""

    headers: HeaderMap
    body: bytes
    trailers: HeaderMap

    @property
    def path(self) -> str:
        """Return the path asked for."""
        return self.headers.text(":path")

    @property
    def method(self) -> str:
        """Return the method."""
        return self.headers.text(":method")

    def reply(self, answer: HttpReply | None = None) -> None:
        """Answer the call (by default: an empty 200)."""
        wanted = answer or HttpReply()
        headers = HeaderMap(
            [(":status", str(wanted.status))], joining=Joined.RESPONSE.on(self.vm.host.quirks)
        )
        for name, value in HeaderMap(wanted.headers):
            headers.add(name, value)
        trailers = None if wanted.trailers is None else HeaderMap(wanted.trailers)
        self.later(wanted.after, lambda: self._deliver(headers, wanted.body, trailers))

    def fail(self, failure: CallFailure | None = None) -> None:
        """Break the call."""
        self.later(failure.after if failure else 0.0, self._broken)

    def timed_out(self) -> None:
        """Answer as Envoy does for an upstream that took too long."""
        if self.vm.host.quirks:
            body = b"upstream request timeout"
            fields = {":status": "504", "content-length": str(len(body)), "content-type": "text/plain"}
            self._deliver(HeaderMap(fields), body, None)
        else:
            self._broken()
        self.vm.host.settle()

    def _deliver(self, headers: HeaderMap, body: bytes, trailers: HeaderMap | None) -> None:
        if not self.finish():
            return
        root = self.root
        root.call_headers, root.call_body, root.call_trailers = headers, body, trailers
        count = 0 if trailers is None else len(trailers)
        try:
            self.vm.run(root, "proxy_on_http_call_response", root.id, self.id, len(headers), len(body), count)
        finally:
            root.call_headers = root.call_body = root.call_trailers = None

    def _broken(self) -> None:
        if not self.finish():
            return
        root = self.root
        root.status = (int(Status.BROKEN_CONNECTION), b"reset")
        try:
            self.vm.run(root, "proxy_on_http_call_response", root.id, self.id, 0, 0, 0)
        finally:
            root.status = (root.status[0], b"")


@dataclass(eq=False)
class GrpcCall(Call):
    """A unary gRPC call: what the filter asked for, and how to answer it."""

    service: str
    method: str
    initial_metadata: HeaderMap
    message: bytes

    def reply(self, answer: GrpcReply | None = None) -> None:
        """Answer the call (by default: an empty message)."""
        wanted = answer or GrpcReply()
        if wanted.status:
            self.later(wanted.after, lambda: self._close(wanted.status, wanted.status_message))
        else:
            self.later(wanted.after, lambda: self._receive(wanted.message))

    def fail(self, failure: CallFailure | None = None) -> None:
        """Break the call."""
        self.later(failure.after if failure else 0.0, lambda: self._close(_UNAVAILABLE, "reset"))

    def timed_out(self) -> None:
        """End the call because it took too long."""
        self._close(_DEADLINE_EXCEEDED, "")
        self.vm.host.settle()

    def _receive(self, message: bytes) -> None:
        if self.finish():
            _receive(self, message)

    def _close(self, status: int, message: str) -> None:
        if self.finish():
            _closed(self, status, message)


@dataclass(eq=False)
class GrpcStream(Call):
    """A gRPC stream: `sent` are the filter's messages so far, `half_closed` says it has ended its side.

    `on_message` is called for every message the filter sends.
    """

    service: str
    method: str
    initial_metadata: HeaderMap
    sent: list[bytes] = field(default_factory=list)
    half_closed: bool = False
    on_message: Callable[[bytes], None] | None = None

    def send_initial_metadata(self, metadata: HeadersLike = ()) -> None:
        """Let the upstream send initial metadata."""
        fields = HeaderMap(metadata)
        self.later(0, lambda: self._metadata(fields, "initial"))

    def send(self, message: bytes) -> None:
        """Let the upstream send a message."""
        self.later(0, lambda: None if self.done else _receive(self, message))

    def send_trailing_metadata(self, metadata: HeadersLike = ()) -> None:
        """Let the upstream send trailing metadata."""
        fields = HeaderMap(metadata)
        self.later(0, lambda: self._metadata(fields, "trailing"))

    def close(self, status: int = 0, message: str = "") -> None:
        """Let the upstream end the stream."""
        self.later(0, lambda: self._close(status, message))

    def timed_out(self) -> None:
        """Do nothing: streams have no deadline."""

    def _metadata(self, fields: HeaderMap, which: str) -> None:
        if self.done:
            return
        root = self.root
        attribute = f"grpc_{which}_metadata"
        setattr(root, attribute, fields)
        try:
            self.vm.run(root, f"proxy_on_grpc_receive_{which}_metadata", root.id, self.id, len(fields))
        finally:
            setattr(root, attribute, None)

    def _close(self, status: int, message: str) -> None:
        if self.finish():
            _closed(self, status, message)


def _receive(call: GrpcCall | GrpcStream, message: bytes) -> None:
    root = call.root
    root.grpc_message = message
    try:
        call.vm.run(root, "proxy_on_grpc_receive", root.id, call.id, len(message))
    finally:
        root.grpc_message = None


def _closed(call: GrpcCall | GrpcStream, status: int, message: str) -> None:
    root = call.root
    root.status = (status, message.encode())
    try:
        call.vm.run(root, "proxy_on_grpc_close", root.id, call.id, status)
    finally:
        root.status = (status, b"")


class Cluster:
    """An upstream cluster as call-outs see it: a handler for HTTP, one for unary gRPC, one for gRPC streams.

    A handler gets the call and returns a reply, a `CallFailure`, or `LATER` (it answers by itself). HTTP
    handlers may also be a mapping from path to reply (another path: 404) or one reply for all.
    """

    def __init__(
        self,
        http: HttpReply
        | Mapping[str, HttpReply]
        | Callable[[HttpCall], HttpReply | CallFailure | Later]
        | None,
        grpc: GrpcReply | Callable[[GrpcCall], GrpcReply | CallFailure | Later] | None,
        grpc_stream: Callable[[GrpcStream], None] | None,
    ) -> None:
        self._http = http
        self._grpc = grpc
        self._grpc_stream = grpc_stream

    def answer_http(self, call: HttpCall) -> None:
        """Have the handler answer an HTTP call; without one it stays open."""
        http = self._http
        if http is None:
            return
        if isinstance(http, HttpReply):
            answer: HttpReply | CallFailure | Later = http
        elif callable(http):
            answer = http(call)
        else:
            answer = http.get(call.path, HttpReply(404))
        if isinstance(answer, HttpReply):
            call.reply(answer)
        elif isinstance(answer, CallFailure):
            call.fail(answer)
        elif answer is not LATER:
            raise ProxyWasmHostError(
                f"the handler of an HTTP call to {call.path!r} returned {answer!r}",
                where=f"cluster {call.cluster!r}",
                remedy="return an HttpReply, a CallFailure or LATER",
            )

    def answer_grpc(self, call: GrpcCall) -> None:
        """Have the handler answer a unary gRPC call; without one it stays open."""
        grpc = self._grpc
        if grpc is None:
            return
        answer = grpc if isinstance(grpc, GrpcReply) else grpc(call)
        if isinstance(answer, GrpcReply):
            call.reply(answer)
        elif isinstance(answer, CallFailure):
            call.fail(answer)
        elif answer is not LATER:
            raise ProxyWasmHostError(
                f"the handler of a gRPC call to {call.service}/{call.method} returned {answer!r}",
                where=f"cluster {call.cluster!r}",
                remedy="return a GrpcReply, a CallFailure or LATER",
            )

    def open_grpc(self, stream: GrpcStream) -> None:
        """Tell the handler of a new gRPC stream."""
        if self._grpc_stream is not None:
            self._grpc_stream(stream)


class Calls:
    """The call-outs of one VM. The two lowest bits of an id are its kind: HTTP 0, gRPC call 1, stream 2."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._next = [0, _GRPC_CALL, _GRPC_STREAM]
        self.open: dict[int, HttpCall | GrpcCall | GrpcStream] = {}

    def _id(self, kind: int) -> int:
        self._next[kind] += 4
        return self._next[kind]

    def http(
        self,
        root: RootContext,
        upstream: bytes,
        headers: Pairs,
        body: bytes,
        trailers: Pairs,
        timeout_ms: int,
    ) -> int:
        """Start an HTTP call; an unknown cluster or a missing :method, :path, :authority is BAD_ARGUMENT."""
        name = upstream.decode("utf-8", "backslashreplace")
        cluster = self._vm.host.clusters.get(name)
        fields = HeaderMap(headers, joining=Joined.REQUEST.on(self._vm.host.quirks))
        if fields.first(b":authority") is None and (host := fields.first(b"host")) is not None:
            fields.remove(b"host")
            fields.add(b":authority", host)
        complete = all(fields.first(key) is not None for key in (b":method", b":path", b":authority"))
        if cluster is None or not complete or timeout_ms > _MAX_TIMEOUT:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        if body:
            fields.replace(b"content-length", str(len(body)).encode())
        call = HttpCall(self._vm, root, self._id(0), name, timeout_ms, fields, body, HeaderMap(trailers))
        self._start(call)
        cluster.answer_http(call)
        return call.id

    def grpc(
        self,
        root: RootContext,
        upstream: bytes,
        service: bytes,
        method: bytes,
        metadata: Pairs,
        message: bytes | None,
        timeout_ms: int,
    ) -> int:
        """Start a gRPC call, or (without a message) a stream; an unknown cluster is PARSE_FAILURE."""
        name = grpc_target(upstream)
        cluster = self._vm.host.clusters.get(name)
        if cluster is None:
            raise HostCallFailed(Status.PARSE_FAILURE)
        path = service.decode("utf-8", "backslashreplace"), method.decode("utf-8", "backslashreplace")
        fields = HeaderMap(metadata)
        if message is None:
            stream = GrpcStream(self._vm, root, self._id(_GRPC_STREAM), name, 0, *path, fields)
            self._start(stream)
            self._vm.host.later(lambda: cluster.open_grpc(stream))
            return stream.id
        call = GrpcCall(self._vm, root, self._id(_GRPC_CALL), name, timeout_ms, *path, fields, message)
        self._start(call)
        cluster.answer_grpc(call)
        return call.id

    def _start(self, call: HttpCall | GrpcCall | GrpcStream) -> None:
        self.open[call.id] = call
        self._vm.host.calls.append(call)
        if call.timeout_ms > 0:
            call.timer = self._vm.host.clock.after(call.timeout_ms * _MILLISECOND, call.timed_out)

    def send(self, call_id: int, message: bytes, end_stream: bool) -> None:
        """Send on a gRPC stream."""
        if call_id & _TYPE_MASK != _GRPC_STREAM:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        stream = self._find(call_id)
        if isinstance(stream, GrpcStream):
            stream.sent.append(message)
            stream.half_closed = stream.half_closed or end_stream
            if stream.on_message is not None:
                stream.on_message(message)

    def cancel(self, call_id: int) -> None:
        """Drop a gRPC call or stream; nothing more comes of it."""
        self._drop(self._grpc(call_id))

    def close(self, call_id: int) -> None:
        """Drop a gRPC call, or end this side of a stream."""
        call = self._grpc(call_id)
        if isinstance(call, GrpcStream):
            call.half_closed = True
        else:
            self._drop(call)

    def _grpc(self, call_id: int) -> HttpCall | GrpcCall | GrpcStream:
        if call_id & _TYPE_MASK not in (_GRPC_CALL, _GRPC_STREAM):
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return self._find(call_id)

    def _find(self, call_id: int) -> HttpCall | GrpcCall | GrpcStream:
        call = self.open.get(call_id)
        if call is None:
            raise HostCallFailed(Status.NOT_FOUND)
        return call

    def _drop(self, call: HttpCall | GrpcCall | GrpcStream) -> None:
        call.done = True
        if call.timer is not None:
            call.timer.cancel()
        self.open.pop(call.id, None)

    def drop_of(self, root: RootContext) -> None:
        """Drop the calls of a plugin that is gone."""
        for call in [call for call in self.open.values() if call.root is root]:
            self._drop(call)

    def drop_all(self) -> None:
        """Drop every call."""
        for call in list(self.open.values()):
            self._drop(call)


def grpc_target(upstream: bytes) -> str:
    """Return the cluster in `upstream`: its name, or Envoy's GrpcService message naming it.

    The message is `envoy.config.core.v3.GrpcService`: field 1 (envoy_grpc) holds field 1 (cluster_name).
    """
    inner = _length_delimited(upstream, 1)
    name = None if inner is None else _length_delimited(inner, 1)
    return (upstream if name is None else name).decode("utf-8", "backslashreplace")


def _length_delimited(message: bytes, number: int) -> bytes | None:
    """Return the first field of `message` if it has that number, is length-delimited, and fits."""
    if len(message) < 2 or message[0] != number << 3 | 2:  # noqa: PLR2004 -- a tag and a length
        return None
    size = shift = 0
    for position in range(1, min(len(message), 6)):
        size |= (message[position] & 0x7F) << shift
        if not message[position] & 0x80:
            start = position + 1
            return message[start : start + size] if start + size <= len(message) else None
        shift += 7
    return None
