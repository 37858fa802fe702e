"""HTTP streams: Envoy's filter chain with one filter, a client before it and an upstream behind it.

The rules are those of Envoy's filter manager: what is buffered while a filter has stopped iteration, what
resumes it, how local replies and resets cut in. Names of states are Envoy's.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import LogLevel, MapType
from proxy_wasm_host._body import Body
from proxy_wasm_host._headers import HeaderMap, HeadersLike, Joined
from proxy_wasm_host._local_reply import LocalResponse, prepare
from proxy_wasm_host._stream import Stream
from proxy_wasm_host.errors import StreamStateError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from proxy_wasm_host._plugin import Plugin
    from proxy_wasm_host._properties import PropertyValue

_CONTINUE = 0
_STOP = 1
_STOP_WATERMARK = 2
_STOP_NO_BUFFER = 3
_HEADERS_STOP_ALL_BUFFER = 3
_HEADERS_STOP_ALL_WATERMARK = 4
_GRPC_UNAVAILABLE = 14


class Iteration(enum.IntEnum):
    """Where the filter holds one direction of a stream."""

    CONTINUE = 0
    STOP_SINGLE = 1
    """Headers or data are held; data still reaches the filter."""
    STOP_ALL = 2
    """Data is held back from the filter too."""
    STOP_ALL_BUFFER = 3
    """As STOP_ALL, and too much of it is an error instead of back-pressure."""


@dataclass
class Message:
    """One side's view of a request or response so far."""

    headers: HeaderMap | None = None
    chunks: list[bytes] = field(default_factory=list)
    trailers: HeaderMap | None = None
    ended: bool = False

    @property
    def body(self) -> bytes:
        """Return all of the body so far."""
        return b"".join(self.chunks)

    @property
    def status(self) -> int | None:
        """Return the status code of a response, None where there is none."""
        value = self.headers.first(b":status") if self.headers is not None else None
        return int(value) if value is not None and value.isdigit() else None


class _Half:
    """One direction through the filter."""

    __slots__ = (
        "aborted",
        "buffered",
        "filter_end",
        "headers",
        "headers_continued",
        "iteration",
        "names",
        "observed_end",
        "received",
        "side",
        "sink",
        "stream",
        "trailers",
    )

    def __init__(self, stream: HttpStream, side: int) -> None:
        self.stream = stream
        self.side = side
        kind = "response" if side else "request"
        self.names = tuple(f"proxy_on_{kind}_{part}" for part in ("headers", "body", "trailers", "metadata"))
        self.headers: HeaderMap | None = None
        self.trailers: HeaderMap | None = None
        self.buffered: Body | None = None
        self.iteration = Iteration.CONTINUE
        self.headers_continued = False
        self.observed_end = False
        self.filter_end = False
        self.aborted = False
        self.received = 0
        self.sink = Message()

    # What comes in.

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        self.headers = headers
        self.observed_end = self.filter_end = end
        answer = self._ask_headers(headers, end)
        if self.aborted:
            return
        if answer == _CONTINUE:
            self.headers_continued = True
            self.forward_headers(end)
        elif answer == _STOP:
            self.iteration = Iteration.STOP_SINGLE
        elif answer == _HEADERS_STOP_ALL_BUFFER:
            self.iteration = Iteration.STOP_ALL_BUFFER
        else:
            self.iteration = Iteration.STOP_ALL

    def on_data(self, chunk: bytes, end: bool) -> None:
        self.received += len(chunk)
        if not self.aborted:
            self.observed_end = end
            self._data(Body(chunk, strict=not self.stream.host.quirks), end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        if not self.aborted:
            self.observed_end = True
            self.trailers = trailers
            self._trailers()

    # What the filter makes of it.

    def _ask_headers(self, headers: HeaderMap, end: bool) -> int:
        stream = self.stream
        context = stream.context
        if stream.bypassed or (self.side and (not context.created or stream.failure_reply_sent)):
            return _CONTINUE
        index = self.side * 2
        context.maps[index] = headers
        context.end_of_stream = end
        if stream.vm.is_0_1_0:
            answer = stream.ask(self.names[0], context.id, len(headers))
        else:
            answer = stream.ask(self.names[0], context.id, len(headers), end)
        if answer is None or not 0 <= answer <= _HEADERS_STOP_ALL_WATERMARK:
            return _HEADERS_STOP_ALL_WATERMARK
        if answer == _STOP and not stream.plugin.allow_on_headers_stop_iteration:
            return _HEADERS_STOP_ALL_WATERMARK
        if answer == 2:  # noqa: PLR2004 -- ContinueAndEndStream of old; Envoy takes it for Continue
            answer = _CONTINUE
        if answer == _CONTINUE:
            context.maps[index] = None
        return answer

    def _ask_body(self, body: Body, end: bool) -> int:
        stream, side = self.stream, self.side
        context = stream.context
        if not context.created or stream.bypassed or (side and stream.failure_reply_sent):
            return _CONTINUE
        if context.buffering[side]:
            self._hold(body, streaming=False)
            if self.aborted:
                return _STOP
        context.bodies[side] = body
        context.end_of_stream = end
        reachable = stream.buffer(side)
        answer = stream.ask(self.names[1], context.id, 0 if reachable is None else len(reachable), end)
        context.buffering[side] = False
        if answer is None or not 0 <= answer <= _STOP_NO_BUFFER:
            return _STOP_NO_BUFFER
        if answer and not stream.host.quirks:
            answer = _STOP
        if answer == _CONTINUE:
            context.bodies[side] = None
        elif answer == _STOP:
            context.buffering[side] = True
        return answer

    def _data(self, body: Body, end: bool) -> None:
        if self.iteration >= Iteration.STOP_ALL:
            self._hold(body, streaming=self.iteration is not Iteration.STOP_ALL_BUFFER)
            return
        if self.filter_end:
            return
        had_trailers = self.trailers is not None
        self.filter_end = end and not had_trailers
        answer = self._ask_body(body, self.filter_end)
        if self.aborted:
            return
        added = self.trailers is not None and not had_trailers
        if answer != _CONTINUE:
            self.iteration = Iteration.STOP_SINGLE
            if answer in (_STOP, _STOP_WATERMARK):
                self._hold(body, streaming=answer == _STOP_WATERMARK)
            elif self.observed_end and self.trailers is None and self.buffered is None:
                self.buffered = Body(strict=body.strict)
        elif self.iteration is Iteration.STOP_SINGLE:
            self._hold(body, streaming=True)
            self.resume()
        else:
            self.forward_data(body, end and not added)
            if added:
                self.forward_trailers()

    def _trailers(self) -> None:
        stream, context = self.stream, self.stream.context
        if self.iteration >= Iteration.STOP_ALL or self.trailers is None:
            return
        answer: int | None = _CONTINUE
        if context.created and not stream.bypassed and not (self.side and stream.failure_reply_sent):
            index = self.side * 2 + 1
            context.maps[index] = self.trailers
            answer = stream.ask(self.names[2], context.id, len(self.trailers))
            if answer == _CONTINUE:
                context.maps[index] = None
        if self.aborted:
            return
        self.filter_end = True
        if answer == _CONTINUE:
            if self.iteration is Iteration.STOP_SINGLE:
                self.resume()
            else:
                self.forward_trailers()
        elif self.iteration is Iteration.CONTINUE:
            self.iteration = Iteration.STOP_SINGLE

    def resume(self) -> None:
        """Let what is held go on (Envoy's commonContinue)."""
        if self.aborted or self.iteration is Iteration.CONTINUE or self.headers is None:
            return
        through_filter = self.iteration >= Iteration.STOP_ALL
        self.iteration = Iteration.CONTINUE
        if not self.headers_continued:
            self.headers_continued = True
            self.forward_headers(self.observed_end and self.buffered is None and self.trailers is None)
        had_trailers = self.trailers is not None
        held = self.buffered
        if held is not None and not self.aborted:
            end = self.observed_end and not had_trailers
            if through_filter:
                self._data(held, end)
            else:
                self.forward_data(held, end)
        if had_trailers and not self.aborted:
            if through_filter:
                self._trailers()
            else:
                self.forward_trailers()

    def _hold(self, body: Body, *, streaming: bool) -> None:
        held = self.buffered
        if held is None:
            self.buffered = held = Body(strict=body.strict)
        if held is not body:
            held.append(body.take())
        limit = self.stream.buffer_limit
        if not streaming and limit is not None and len(held) > limit:
            self.stream.too_large(self.side)

    # What goes out.

    def forward_headers(self, end: bool) -> None:
        missing = _missing_header(self.headers, self.side) if self.stream.host.quirks else None
        if missing is not None:
            self.stream.header_missing(self.side, missing)
            return
        self.sink.headers = self.headers
        self.sink.ended = end

    def forward_data(self, body: Body, end: bool) -> None:
        data = body.take()
        if body is self.buffered:
            self.buffered = None
        if data or end:
            self.sink.chunks.append(data)
        self.sink.ended = end

    def forward_trailers(self) -> None:
        self.sink.trailers = self.trailers
        self.sink.ended = True


class HttpStream(Stream):
    """One HTTP request and its response through a plugin, told as a conversation.

    Either whole (`request()`, `response()`) or step by step (`request_headers()`, `request_body()`, ...).
    Every step returns the receiving side's view so far; `upstream` and `downstream` are the same views at
    any time. `local_response` is set once the filter (or the proxy in its place) answered by itself,
    `reset` once the stream was reset (why, in Envoy's words).
    """

    is_http = True

    def __init__(
        self,
        plugin: Plugin,
        properties: Mapping[str, PropertyValue] | None = None,
        *,
        buffer_limit: int | None = None,
    ) -> None:
        super().__init__(plugin, properties)
        self.buffer_limit = buffer_limit
        self.local_response: LocalResponse | None = None
        self.reset: str | None = None
        self.failure_reply_sent = False
        self._reply_pending = False
        self.upstream_status: int | None = None
        self._request = _Half(self, 0)
        self._response = _Half(self, 1)

    # The conversation.

    @property
    def upstream(self) -> Message:
        """Return what the upstream has got so far."""
        return self._request.sink

    @property
    def downstream(self) -> Message:
        """Return what the client has got so far."""
        return self._response.sink

    @property
    def request_paused(self) -> bool:
        """Return whether the filter holds the request back."""
        return self._request.iteration is not Iteration.CONTINUE and not self._request.aborted

    @property
    def response_paused(self) -> bool:
        """Return whether the filter holds the response back."""
        return self._response.iteration is not Iteration.CONTINUE and not self._response.aborted

    def request_headers(self, headers: HeadersLike, end_of_stream: bool = False) -> Message:
        """Send request headers; return what the upstream has got so far."""
        self.check_open()
        if self._request.headers is not None:
            raise StreamStateError("request headers were sent before", where=self._where())
        self.create()
        self._request.on_headers(
            HeaderMap(headers, joining=Joined.REQUEST.on(self.host.quirks)), end_of_stream
        )
        self.host.settle()
        return self.upstream

    def request_body(self, chunk: bytes, end_of_stream: bool = False) -> Message:
        """Send a chunk of the request body; return what the upstream has got so far."""
        self._check_half(self._request)
        self._request.on_data(bytes(chunk), end_of_stream)
        self.host.settle()
        return self.upstream

    def request_trailers(self, trailers: HeadersLike) -> Message:
        """Send request trailers, which end the request; return what the upstream has got so far."""
        self._check_half(self._request)
        self._request.on_trailers(HeaderMap(trailers, joining=Joined.TRAILERS.on(self.host.quirks)))
        self.host.settle()
        return self.upstream

    def response_headers(self, headers: HeadersLike, end_of_stream: bool = False) -> Message:
        """Let the upstream send response headers; return what the client has got so far."""
        self.check_open()
        if self._response.headers is not None or self.reset is not None:
            what = "this stream was reset" if self.reset else "there is a response already"
            raise StreamStateError(
                what, where=self._where(), remedy="look at local_response, reset, downstream"
            )
        if self.upstream.headers is None:
            raise StreamStateError(
                "the request has not reached the upstream, which can't answer it",
                where=self._where(),
                remedy="send request headers first; request_paused says whether the filter holds them",
            )
        fields = HeaderMap(headers, joining=Joined.RESPONSE.on(self.host.quirks))
        status = fields.first(b":status")
        self.upstream_status = int(status) if status is not None and status.isdigit() else None
        self._response.on_headers(fields, end_of_stream)
        self.host.settle()
        return self.downstream

    def response_body(self, chunk: bytes, end_of_stream: bool = False) -> Message:
        """Let the upstream send a chunk of its body; return what the client has got so far."""
        self._check_half(self._response)
        self._response.on_data(bytes(chunk), end_of_stream)
        self.host.settle()
        return self.downstream

    def response_trailers(self, trailers: HeadersLike) -> Message:
        """Let the upstream send trailers, which end its response; return what the client has got so far."""
        self._check_half(self._response)
        self._response.on_trailers(HeaderMap(trailers, joining=Joined.TRAILERS.on(self.host.quirks)))
        self.host.settle()
        return self.downstream

    def request(
        self, headers: HeadersLike, body: Iterable[bytes] | bytes = (), trailers: HeadersLike | None = None
    ) -> Message:
        """Send a whole request, `body` as its chunks; return what the upstream has got."""
        chunks = _chunks(body)
        self.request_headers(headers, not chunks and trailers is None)
        for index, chunk in enumerate(chunks, 1):
            if self.reset is not None:
                break
            self.request_body(chunk, trailers is None and index == len(chunks))
        if trailers is not None and self.reset is None:
            self.request_trailers(trailers)
        return self.upstream

    def response(
        self, headers: HeadersLike, body: Iterable[bytes] | bytes = (), trailers: HeadersLike | None = None
    ) -> Message:
        """Let the upstream send a whole response, `body` as its chunks; return what the client has got."""
        chunks = _chunks(body)
        self.response_headers(headers, not chunks and trailers is None)
        for index, chunk in enumerate(chunks, 1):
            if self.reset is not None:
                break
            self.response_body(chunk, trailers is None and index == len(chunks))
        if trailers is not None and self.reset is None:
            self.response_trailers(trailers)
        return self.downstream

    def request_metadata(self, elements: int = 0) -> None:
        """Tell the filter of HTTP/2 metadata in the request, as Envoy does beyond the specification."""
        self._check_half(self._request)
        self.ask(self._request.names[3], self.context.id, elements)

    def response_metadata(self, elements: int = 0) -> None:
        """Tell the filter of HTTP/2 metadata in the response, as Envoy does beyond the specification."""
        self._check_half(self._response)
        self.ask(self._response.names[3], self.context.id, elements)

    # What the filter does to the stream; the host calls come here.

    def buffer(self, side: int) -> Body | None:
        """Return the request (0) or response (1) body within the guest's reach."""
        context = self.context
        if context.buffering[side]:
            return (self._response if side else self._request).buffered
        return context.bodies[side]

    def add_trailers(self, side: int) -> HeaderMap | None:
        """Return new trailers: possible in the last body callback of a stream without any."""
        half = self._response if side else self._request
        context = self.context
        if context.bodies[side] is None or not context.end_of_stream:
            return None
        half.trailers = context.maps[side * 2 + 1] = HeaderMap(joining=Joined.TRAILERS.on(self.host.quirks))
        return half.trailers

    def continue_stream(self, side: int) -> None:
        """Resume the request (0) or the response (1)."""
        # What is held goes on now, so the next chunk stands for itself.
        self.context.buffering[side] = False
        (self._response if side else self._request).resume()

    def reset_stream(self, reason: str) -> None:
        """End the stream without an answer."""
        if self.reset is None and not self._over():
            self.reset = reason
            self._request.aborted = self._response.aborted = True

    def reply_later(self, answer: LocalResponse) -> None:
        """Answer once the callback has ended; of several in one callback, the first counts."""
        if self._reply_pending:
            self._drop_reply()
            return
        self._reply_pending = True

        def reply() -> None:
            self._reply_pending = False
            self.local_reply(answer)

        self.vm.after_call.append(reply)

    def _drop_reply(self) -> None:
        self.host.log_line(self.context, LogLevel.WARN, b"a second local response was dropped")

    def local_reply(self, answer: LocalResponse) -> None:
        """Answer in place of the upstream, as far as the response has not begun."""
        if self.closed or self.reset is not None:
            return
        if self.local_response is not None and self._over():
            # Some Envoys use freed memory here (envoyproxy/envoy issue 23047).
            self._drop_reply()
            return
        self.local_response = answer
        response = self._response
        self._request.aborted = True
        headers, body = prepare(answer, self._request.headers, joining=Joined.RESPONSE.on(self.host.quirks))
        if response.headers is None:
            response.on_headers(headers, not body)
            if body:
                response.on_data(body, end=True)
        elif response.sink.headers is None:
            response.aborted = True
            response.sink.headers = headers
            response.sink.chunks = [body] if body else []
            response.sink.ended = True
        else:
            self.reset = "local_reply_after_headers"
            response.aborted = True

    def too_large(self, side: int) -> None:
        """Answer as Envoy does where a buffered body exceeds the limit."""
        if side:
            reply = LocalResponse(500, b"Internal Server Error", [], None, "response_payload_too_large")
        else:
            reply = LocalResponse(413, b"Payload Too Large", [], None, "request_payload_too_large")
        self.local_reply(reply)
        (self._response if side else self._request).aborted = True

    def header_missing(self, side: int, name: str) -> None:
        """Answer as Envoy does where a filter removed a header that nothing goes without."""
        text = f"missing required header: {name}"
        details = text.replace(" ", "_")
        if side:
            reply = LocalResponse(
                502, text.encode(), [], None, f"filter_removed_required_response_headers{{{details}}}"
            )
        else:
            reply = LocalResponse(
                503, text.encode(), [], None, f"filter_removed_required_request_headers{{{details}}}"
            )
        self.local_reply(reply)
        (self._response if side else self._request).aborted = True

    def fail(self) -> None:
        """Answer 503 once because the VM failed."""
        if not self.failure_reply_sent:
            self.failure_reply_sent = True
            self.local_reply(LocalResponse(503, b"", [], _GRPC_UNAVAILABLE, "wasm_fail_stream"))

    def logged(self) -> list[HeaderMap | None]:
        """Return the maps for the log; Envoy leaves request trailers out."""
        request, response = self._request, self._response
        trailers = None if self.host.quirks else request.trailers
        sent = response.sink.headers if response.sink.headers is not None else response.headers
        return [request.headers, trailers, sent, response.trailers]

    # What properties and others want to know.

    def map_of(self, kind: MapType) -> HeaderMap | None:
        """Return the stream's headers or trailers, whether within the guest's reach or not."""
        half = self._response if kind >= MapType.HTTP_RESPONSE_HEADERS else self._request
        return half.trailers if kind % 2 else half.headers

    def received(self, side: int) -> int:
        """Return the body bytes that came in on a side."""
        return (self._response if side else self._request).received

    def _over(self) -> bool:
        return self._response.sink.ended

    def _where(self) -> str:
        return f"HTTP stream {self.context.id} of plugin {self.plugin.name!r}"

    def _check_half(self, half: _Half) -> None:
        self.check_open()
        kind = "response" if half.side else "request"
        if half.headers is None:
            raise StreamStateError(f"{kind} headers come first", where=self._where())
        if half.observed_end and self.local_response is None and self.reset is None:
            raise StreamStateError(f"the {kind} has ended", where=self._where())


def _missing_header(headers: HeaderMap | None, side: int) -> str | None:
    """Return the pseudo-header that a request (0) or response (1) lacks and Envoy insists on."""
    if headers is None:
        return None
    if side:
        return None if headers.first(b":status") else ":status"
    method = headers.first(b":method")
    if method is None:
        return ":method"
    if method == b"CONNECT" and headers.first(b":protocol") is None:
        return None if headers.first(b":authority") is not None else ":authority"
    return None if headers.first(b":path") is not None else ":path"


def _chunks(body: Iterable[bytes] | bytes) -> list[bytes]:
    return [body] if isinstance(body, bytes) else list(body)
