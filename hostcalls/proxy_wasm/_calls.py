"""Call-outs: HTTP calls, gRPC calls and gRPC streams (v0.2.1, "HTTP calls", "gRPC calls").

Each comes back as an object that can be awaited in an ``async`` callback, or that is handed to the
``callback`` it was made with. A call belongs to the context that made it: when that ends, the call is
forgotten, a gRPC call is cancelled too. Answers are read at once, so they stay valid after the callback that
brought them.
"""

from __future__ import annotations

from proxy_wasm._abi import MAX_SIZE, host
from proxy_wasm._errors import GrpcCallFailedError, HttpCallFailedError, ProxyWasmError
from proxy_wasm._headers import Headers, checked_value, to_bytes, to_pairs
from proxy_wasm._pending import Pending
from proxy_wasm._types import BufferType, MapType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from proxy_wasm._contexts import Context
    from proxy_wasm._headers import HeaderInput

_CALL_BODY = int(BufferType.HTTP_CALL_RESPONSE_BODY)
_MESSAGE = int(BufferType.GRPC_CALL_MESSAGE)
_CALL_HEADERS = int(MapType.HTTP_CALL_RESPONSE_HEADERS)
_CALL_TRAILERS = int(MapType.HTTP_CALL_RESPONSE_TRAILERS)
_INITIAL_METADATA = int(MapType.GRPC_CALL_INITIAL_METADATA)
_TRAILING_METADATA = int(MapType.GRPC_CALL_TRAILING_METADATA)
_OK, _CANCELLED, _INTERNAL = 0, 1, 13
"""gRPC status codes."""
_ABANDONED = "the stream that made it has ended"


def milliseconds(seconds: float) -> int:
    """Whole milliseconds of a timeout or period in seconds, at least 1; raises ``ValueError`` below that."""
    value = round(seconds * 1000)
    if value < 1 or value > MAX_SIZE:
        raise ValueError(f"{seconds!r} seconds: must be between 0.001 and {MAX_SIZE / 1000}")
    return value


class HttpCallResponse:
    """What came back from an HTTP call."""

    __slots__ = ("body", "headers", "trailers")

    def __init__(self, headers: Headers, body: bytes, trailers: Headers) -> None:
        self.headers = headers
        self.body = body
        self.trailers = trailers

    @property
    def status(self) -> int:
        """The HTTP status code."""
        return int(self.headers.get(b":status") or 0)

    def __repr__(self) -> str:
        return f"<HttpCallResponse {self.status}, {len(self.body)} bytes>"


class HttpCall(Pending):
    """One HTTP call. ``await`` gives its :class:`HttpCallResponse` or raises :class:`HttpCallFailedError`."""

    __slots__ = ("_callback", "_cluster", "call_id")

    if TYPE_CHECKING:

        def result(self) -> HttpCallResponse: ...
        def __await__(self) -> Generator[Pending, None, HttpCallResponse]: ...

    def __init__(
        self, context: Context, call_id: int, cluster: bytes, callback: Callable[[HttpCall], object] | None
    ) -> None:
        super().__init__(context)
        self.call_id = call_id
        self._cluster = cluster
        self._callback = callback

    def _forget(self) -> None:
        self.context.plugin._http_calls.pop(self.call_id, None)
        self.context._drop(self)

    def _abandon(self) -> None:
        """The context has ended; the ABI has no way to cancel, so the answer will be ignored."""
        self._forget()
        if self._waiters:
            what = f"HTTP call to {self._cluster.decode('utf-8', 'replace')!r}"
            self._settle(None, HttpCallFailedError(what, 0, _ABANDONED))
        self._done = True

    def _receive(self, num_headers: int, body_size: int, num_trailers: int) -> object:
        """``proxy_on_http_call_response``; gives what the callback gave."""
        self._forget()
        if num_headers == 0:
            code, message = host.get_status()
            what = f"HTTP call to {self._cluster.decode('utf-8', 'replace')!r}"
            error = HttpCallFailedError(what, code, message.decode("utf-8", "replace"))
            return self._finish(None, error)
        headers = Headers(host.get_header_map_pairs(_CALL_HEADERS))
        body = host.get_buffer_bytes(_CALL_BODY, 0, MAX_SIZE) if body_size else b""
        trailers = Headers(host.get_header_map_pairs(_CALL_TRAILERS) if num_trailers else [])
        return self._finish(HttpCallResponse(headers, body or b"", trailers), None)

    def _finish(self, response: HttpCallResponse | None, error: HttpCallFailedError | None) -> object:
        self._settle(response, error)
        return None if self._callback is None else self._callback(self)


class GrpcResponse:
    """What came back from a gRPC call that went well."""

    __slots__ = ("initial_metadata", "message")

    def __init__(self, message: bytes, initial_metadata: Headers) -> None:
        self.message = message
        self.initial_metadata = initial_metadata

    def __repr__(self) -> str:
        return f"<GrpcResponse, {len(self.message)} bytes>"


class _Grpc(Pending):
    """What a gRPC call and a gRPC stream share."""

    __slots__ = ("_method", "call_id")

    def __init__(self, context: Context, call_id: int, method: str) -> None:
        super().__init__(context)
        self.call_id = call_id
        self._method = method

    def _forget(self) -> None:
        call = self.context.plugin._grpc_calls.pop(self.call_id, None)
        if call is not None:
            self.context._drop(call)

    def _abandon(self) -> None:
        """The context has ended."""
        self._forget()
        if self._waiters:
            self._settle(None, self._failure(_CANCELLED, _ABANDONED))
        self._done = True
        host.grpc_cancel(self.call_id)

    def _failure(self, status: int, message: str) -> GrpcCallFailedError:
        return GrpcCallFailedError(f"gRPC {self._method}", status, message)

    def _on_initial_metadata(self) -> object:
        raise NotImplementedError

    def _on_message(self, size: int) -> object:
        raise NotImplementedError

    def _on_trailing_metadata(self) -> object:
        raise NotImplementedError

    def _on_close(self, status: int) -> object:
        raise NotImplementedError


class GrpcCall(_Grpc):
    """One unary gRPC call.

    ``await`` gives its :class:`GrpcResponse` or raises :class:`GrpcCallFailedError`.
    """

    __slots__ = ("_callback", "_initial_metadata")

    if TYPE_CHECKING:

        def result(self) -> GrpcResponse: ...
        def __await__(self) -> Generator[Pending, None, GrpcResponse]: ...

    def __init__(
        self, context: Context, call_id: int, method: str, callback: Callable[[GrpcCall], object] | None
    ) -> None:
        super().__init__(context, call_id, method)
        self._callback = callback
        self._initial_metadata = Headers([])

    def cancel(self) -> None:
        """Give the call up.

        Its callback does not run, and whoever awaits it gets :class:`GrpcCallFailedError` (1, CANCELLED).
        """
        if not self._done:
            self._forget()
            host.grpc_cancel(self.call_id)
            self._settle(None, self._failure(_CANCELLED, "cancelled"))

    def _on_initial_metadata(self) -> object:
        self._initial_metadata = Headers(host.get_header_map_pairs(_INITIAL_METADATA))
        return None

    def _on_message(self, size: int) -> object:
        message = host.get_buffer_bytes(_MESSAGE, 0, MAX_SIZE) if size else b""
        return self._finish(GrpcResponse(message or b"", self._initial_metadata), None)

    def _on_trailing_metadata(self) -> object:
        return None

    def _on_close(self, status: int) -> object:
        if status == _OK:
            return self._finish(None, self._failure(_INTERNAL, "closed without a message"))
        return self._finish(None, self._failure(status, host.get_status()[1].decode("utf-8", "replace")))

    def _finish(self, response: GrpcResponse | None, error: GrpcCallFailedError | None) -> object:
        self._forget()
        self._settle(response, error)
        return None if self._callback is None else self._callback(self)


class GrpcStream(_Grpc):
    """One gRPC stream: send with :meth:`send`, receive by ``on_message``, :meth:`receive` or ``async for``.

    ``await stream`` waits for the end: ``None``, or :class:`GrpcCallFailedError` if the status is not OK.
    """

    __slots__ = (
        "_local_closed",
        "_messages",
        "_on_closed",
        "_on_message_callback",
        "initial_metadata",
        "status",
        "status_message",
        "trailing_metadata",
    )

    initial_metadata: Headers | None
    """What the server sent first, as soon as it did."""
    trailing_metadata: Headers | None
    """What the server sent last, as soon as it did."""
    status: int | None
    """The gRPC status code, once the server has closed the stream."""
    status_message: str
    """The text that came with the status."""

    def __init__(
        self,
        context: Context,
        call_id: int,
        method: str,
        on_message: Callable[[GrpcStream, bytes], object] | None,
        on_close: Callable[[GrpcStream], object] | None,
    ) -> None:
        super().__init__(context, call_id, method)
        self._on_message_callback = on_message
        self._on_closed = on_close
        self._messages: list[bytes] = []
        self._local_closed = False
        self.initial_metadata = None
        self.trailing_metadata = None
        self.status = None
        self.status_message = ""

    def send(self, message: bytes, *, end_stream: bool = False) -> None:
        """Send a message; with ``end_stream`` it is the last one."""
        if self._local_closed or self._done:
            raise ProxyWasmError(f"gRPC {self._method}: the stream is closed, nothing can be sent any more")
        host.grpc_send(self.call_id, message, end_stream)
        self._local_closed = end_stream

    def close(self) -> None:
        """Send no more; the server may."""
        if not self._local_closed and not self._done:
            self._local_closed = True
            host.grpc_close(self.call_id)

    def cancel(self) -> None:
        """Give the stream up at once.

        Whoever waits for it gets :class:`GrpcCallFailedError` (1, CANCELLED).
        """
        if not self._done:
            self._forget()
            host.grpc_cancel(self.call_id)
            self._close(_CANCELLED, "cancelled")

    async def receive(self) -> bytes | None:
        """The next message; ``None`` after the last one.

        Raises :class:`GrpcCallFailedError` if the stream ended with a status other than OK.
        """
        while not self._messages and not self._done:
            await _Turn(self)
        if self._messages:
            return self._messages.pop(0)
        self.result()
        return None

    def __aiter__(self) -> GrpcStream:
        return self

    async def __anext__(self) -> bytes:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    def _on_initial_metadata(self) -> object:
        self.initial_metadata = Headers(host.get_header_map_pairs(_INITIAL_METADATA))
        return None

    def _on_message(self, size: int) -> object:
        message = (host.get_buffer_bytes(_MESSAGE, 0, MAX_SIZE) if size else None) or b""
        if self._on_message_callback is not None:
            return self._on_message_callback(self, message)
        self._messages.append(message)
        self._wake()
        return None

    def _on_trailing_metadata(self) -> object:
        self.trailing_metadata = Headers(host.get_header_map_pairs(_TRAILING_METADATA))
        return None

    def _on_close(self, status: int) -> object:
        # Nothing is sent back to the host here: it drops the stream itself, and Envoy's is half gone by now.
        self._forget()
        self._close(status, host.get_status()[1].decode("utf-8", "replace"))
        return None if self._on_closed is None else self._on_closed(self)

    def _close(self, status: int, message: str) -> None:
        self.status = status
        self.status_message = message
        self._settle(None, None if status == _OK else self._failure(status, message))


class _Turn:
    """Waits until a stream has something new; unlike ``await stream`` it ends with each message."""

    __slots__ = ("_stream",)

    def __init__(self, stream: GrpcStream) -> None:
        self._stream = stream

    def __await__(self) -> Generator[Pending, None, None]:
        yield self._stream


def start_http_call(
    context: Context,
    cluster: str | bytes,
    *,
    method: str | bytes,
    path: str | bytes,
    authority: str | bytes | None,
    headers: HeaderInput,
    body: bytes,
    trailers: HeaderInput,
    timeout: float,
    callback: Callable[[HttpCall], object] | None,
) -> HttpCall:
    """Make the call; parameters as in ``Context.http_call``."""
    upstream = to_bytes(cluster)
    pairs = [
        (b":method", checked_value(":method", method)),
        (b":path", checked_value(":path", path)),
        (b":authority", checked_value(":authority", upstream if authority is None else authority)),
        *to_pairs(headers),
    ]
    call_id = host.http_call(upstream, pairs, body, to_pairs(trailers), milliseconds(timeout))
    call = HttpCall(context, call_id, upstream, callback)
    context.plugin._http_calls[call_id] = call
    context._keep(call)
    return call


def start_grpc_call(
    context: Context,
    cluster: str | bytes,
    service: str,
    method: str,
    message: bytes,
    *,
    metadata: HeaderInput,
    timeout: float,
    callback: Callable[[GrpcCall], object] | None,
) -> GrpcCall:
    """Make the call; parameters as in ``Context.grpc_call``."""
    call_id = host.grpc_call(
        to_bytes(cluster),
        service.encode(),
        method.encode(),
        to_pairs(metadata),
        message,
        milliseconds(timeout),
    )
    call = GrpcCall(context, call_id, f"{service}/{method}", callback)
    context.plugin._grpc_calls[call_id] = call
    context._keep(call)
    return call


def start_grpc_stream(
    context: Context,
    cluster: str | bytes,
    service: str,
    method: str,
    *,
    metadata: HeaderInput,
    on_message: Callable[[GrpcStream, bytes], object] | None,
    on_close: Callable[[GrpcStream], object] | None,
) -> GrpcStream:
    """Open the stream; parameters as in ``Context.grpc_stream``."""
    call_id = host.grpc_stream(to_bytes(cluster), service.encode(), method.encode(), to_pairs(metadata))
    stream = GrpcStream(context, call_id, f"{service}/{method}", on_message, on_close)
    context.plugin._grpc_calls[call_id] = stream
    context._keep(stream)
    return stream
