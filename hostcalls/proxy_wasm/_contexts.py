"""The contexts that a filter's author derives from: plugin, HTTP stream, TCP stream.

A callback is a method; what a class does not override is not exported by the module and costs nothing. Host calls apply to
the context they are made on: using another stream's headers or body makes that stream effective first.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._body import Body
from proxy_wasm._calls import milliseconds, start_grpc_call, start_grpc_stream, start_http_call
from proxy_wasm._errors import LocalResponseSentError
from proxy_wasm._headers import HeaderMap, to_bytes, to_pairs, to_text
from proxy_wasm._phase import phase
from proxy_wasm._properties import PROPERTIES, Properties
from proxy_wasm._types import Action, BufferType, FailureMode, MapType, StreamType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, ClassVar, Self

    from proxy_wasm._calls import GrpcCall, GrpcStream, HttpCall
    from proxy_wasm._dispatch import Dispatcher
    from proxy_wasm._headers import HeaderInput
    from proxy_wasm._pending import Task
    from proxy_wasm._types import PeerType

    StreamResult = Action | None | Awaitable[Action | None]
    Result = None | Awaitable[None]

# What is out of the ordinary about a stream, as bits of Context._state; 0 is the way of nearly every callback.
# Directions are numbered as in StreamType.
PAUSED = 1
"""Shifted by the direction: its last callback answered PAUSE."""
BUSY = 16
"""Shifted by the direction: a coroutine of it waits for an answer."""
ANSWERED = 256
"""A local response was sent."""
REPLACED = 512
"""... in place of a response from upstream, which must not get out any more."""
CLOSED = 1024
"""The stream was closed by the filter."""

_REQUEST = int(StreamType.HTTP_REQUEST)
_RESPONSE = int(StreamType.HTTP_RESPONSE)
_DOWNSTREAM = int(StreamType.DOWNSTREAM)
_UPSTREAM = int(StreamType.UPSTREAM)

_REQUEST_HEADERS = HeaderMap(MapType.HTTP_REQUEST_HEADERS)
_REQUEST_TRAILERS = HeaderMap(MapType.HTTP_REQUEST_TRAILERS)
_RESPONSE_HEADERS = HeaderMap(MapType.HTTP_RESPONSE_HEADERS)
_RESPONSE_TRAILERS = HeaderMap(MapType.HTTP_RESPONSE_TRAILERS)
_REQUEST_BODY = Body(BufferType.HTTP_REQUEST_BODY)
_RESPONSE_BODY = Body(BufferType.HTTP_RESPONSE_BODY)
_DOWNSTREAM_DATA = Body(BufferType.DOWNSTREAM_DATA)
_UPSTREAM_DATA = Body(BufferType.UPSTREAM_DATA)


class Context:
    """What plugins and streams have in common. ``context_id`` is the host's number for it."""

    __slots__ = ("_calls", "_state", "_tasks", "context_id")

    context_id: int
    _calls: set[HttpCall | GrpcCall | GrpcStream] | None
    _tasks: list[Task] | None
    _state: int

    if TYPE_CHECKING:

        @property
        def plugin(self) -> PluginContext: ...

    def make_effective(self) -> None:
        """Make host calls apply to this context until the callback ends (``proxy_set_effective_context``).

        What is called on a context does this by itself; it is for host calls that name no context.
        Raises :class:`BadArgumentError` if the stream has ended.
        """
        if phase.effective is not self:
            host.set_effective_context(self.context_id)
            phase.effective = self

    @property
    def properties(self) -> Properties:
        """The host's properties as this context sees them."""
        if phase.effective is not self:
            self.make_effective()
        return PROPERTIES

    def http_call(
        self,
        cluster: str | bytes,
        *,
        method: str | bytes = "GET",
        path: str | bytes = "/",
        authority: str | bytes | None = None,
        headers: HeaderInput = (),
        body: bytes = b"",
        trailers: HeaderInput = (),
        timeout: float = 5.0,
        callback: Callable[[HttpCall], object] | None = None,
    ) -> HttpCall:
        """Call ``cluster`` (a cluster of the proxy's configuration) by HTTP; it is on its way when this returns.

        Await the result, or give a ``callback`` that gets the finished call. ``authority`` is the cluster's name unless given;
        ``timeout`` is in seconds. Raises :class:`BadArgumentError` for an unknown cluster, :class:`InternalFailureError` if it
        fails at once.
        """
        self.make_effective()
        return start_http_call(
            self,
            cluster,
            method=method,
            path=path,
            authority=authority,
            headers=headers,
            body=body,
            trailers=trailers,
            timeout=timeout,
            callback=callback,
        )

    def grpc_call(
        self,
        cluster: str | bytes,
        service: str,
        method: str,
        message: bytes = b"",
        *,
        metadata: HeaderInput = (),
        timeout: float = 5.0,
        callback: Callable[[GrpcCall], object] | None = None,
    ) -> GrpcCall:
        """Call a gRPC method with one serialised message; await the answer, or give a ``callback``.

        ``service`` has its package (``pkg.Service``); ``timeout`` is in seconds. ``cluster`` may also be a serialised
        ``envoy.config.core.v3.GrpcService``. Raises :class:`ParseFailureError` for an unknown cluster.
        """
        self.make_effective()
        return start_grpc_call(
            self, cluster, service, method, message, metadata=metadata, timeout=timeout, callback=callback
        )

    def grpc_stream(
        self,
        cluster: str | bytes,
        service: str,
        method: str,
        *,
        metadata: HeaderInput = (),
        on_message: Callable[[GrpcStream, bytes], object] | None = None,
        on_close: Callable[[GrpcStream], object] | None = None,
    ) -> GrpcStream:
        """Open a gRPC stream; the parameters are those of :meth:`grpc_call`."""
        self.make_effective()
        return start_grpc_stream(
            self, cluster, service, method, metadata=metadata, on_message=on_message, on_close=on_close
        )

    def done(self) -> None:
        """Say that this context is no longer needed, after its ``on_done`` returned ``False`` (``proxy_done``)."""
        self.make_effective()
        host.done()

    def on_done(self) -> bool | None:
        """The host is done with this context. ``False`` keeps it until :meth:`done` is called; Envoy heeds it for plugins only."""

    def on_log(self) -> None:
        """Everything about the stream is known, nothing can be changed: the place for log entries."""

    def on_delete(self) -> None:
        """The context goes away; no host call about it is possible."""

    def _keep(self, call: HttpCall | GrpcCall | GrpcStream) -> None:
        if self._calls is None:
            self._calls = {call}
        else:
            self._calls.add(call)

    def _drop(self, call: HttpCall | GrpcCall | GrpcStream) -> None:
        if self._calls is not None:
            self._calls.discard(call)

    def __repr__(self) -> str:
        return f"{type(self).__qualname__} {self.context_id}"


class PluginContext(Context):
    """One plugin in one VM: one filter of the proxy's configuration, on one of its workers.

    Set ``http_context`` or ``tcp_context`` to the class of your streams; override :meth:`create_http_context` or
    :meth:`create_tcp_context` where that is not enough.
    """

    http_context: ClassVar[type[HttpContext] | None] = None
    """The class of HTTP streams."""
    tcp_context: ClassVar[type[TcpContext] | None] = None
    """The class of TCP streams."""
    failure_mode: FailureMode = FailureMode.CLOSED
    """What becomes of a stream whose callback raises; may be set in :meth:`on_configure`."""

    _http_calls: dict[int, HttpCall]
    _grpc_calls: dict[int, GrpcCall | GrpcStream]
    _dispatcher: Dispatcher | None
    _name: str | None

    def __new__(cls, *_args: object, **_options: object) -> Self:  # noqa: D102 - __init__ stays free for filters
        self = super().__new__(cls)
        creating = phase.creating
        self.context_id = 0 if creating is None else creating[0]
        self._state = 0
        self._calls = None
        self._tasks = None
        self._http_calls = {}
        self._grpc_calls = {}
        self._dispatcher = None
        self._name = None
        return self

    @property
    def plugin(self) -> PluginContext:
        """This plugin."""
        return self

    @property
    def name(self) -> str:
        """The plugin's name in the proxy's configuration."""
        if self._name is None:
            # Every context of the VM gives the same answer, so none need be made effective for it.
            self._name = to_text(host.get_property(b"plugin_name") or b"")
        return self._name

    def create_http_context(self) -> HttpContext:
        """Make the context of a new HTTP stream."""
        if self.http_context is None:
            raise TypeError(f"{type(self).__qualname__} got an HTTP stream, but has no http_context")
        return self.http_context()

    def create_tcp_context(self) -> TcpContext:
        """Make the context of a new TCP stream."""
        if self.tcp_context is None:
            raise TypeError(f"{type(self).__qualname__} got a TCP stream, but has no tcp_context")
        return self.tcp_context()

    def set_tick_period(self, seconds: float) -> None:
        """Have :meth:`on_tick` called every so many seconds, in steps of a millisecond; 0 stops it."""
        self.make_effective()
        host.set_tick_period_milliseconds(milliseconds(seconds) if seconds else 0)

    def on_vm_start(self, configuration: bytes) -> bool | None:
        """The VM starts; ``configuration`` is the VM's. ``False`` refuses it."""

    def on_configure(self, configuration: bytes) -> bool | None | Awaitable[bool | None]:
        """The plugin starts; ``configuration`` is the plugin's. ``False`` or an exception refuses it.

        An ``async`` one counts as a success at its first wait.
        """

    def on_tick(self) -> Result:
        """The tick period is over; see :meth:`set_tick_period`."""

    def on_queue_ready(self, queue_id: int) -> Result:
        """There is something in a shared queue that this plugin registered."""

    def on_foreign_function(self, function_id: int, arguments: bytes) -> Result:
        """The host calls one of the functions that it agreed on with this plugin."""


class _StreamContext(Context):
    """What HTTP and TCP streams have in common."""

    __slots__ = ("plugin",)

    plugin: PluginContext
    """The plugin that this stream belongs to; annotate it in your class with your own plugin's type."""
    failure_mode: ClassVar[FailureMode] = FailureMode.CLOSED
    """For files with a stream class only: the failure mode of the plugin that is made for it."""

    def __new__(cls, *_args: Any, **_options: Any) -> Self:  # noqa: D102 - __init__ stays free for filters
        self = super().__new__(cls)
        creating = phase.creating
        self._state = 0
        self._calls = None
        self._tasks = None
        if creating is not None and creating[1] is not None:
            self.context_id, self.plugin = creating[0], creating[1]
        else:
            self.context_id = 0
        return self

    def _continue(self, direction: int) -> None:
        self.make_effective()
        host.continue_stream(direction)
        self._state &= ~(PAUSED << direction)

    def _close(self, direction: int) -> None:
        self.make_effective()
        host.close_stream(direction)
        self._state |= CLOSED


class HttpContext(_StreamContext):
    """One HTTP request and its response.

    Callbacks answer :attr:`Action.CONTINUE` (or ``None``) or :attr:`Action.PAUSE`; any of them may be ``async``.
    """

    __slots__ = ("_request_id",)

    _request_id: str

    @property
    def request_headers(self) -> HeaderMap:
        """The request's headers; :class:`HeaderMap`."""
        if phase.effective is not self:
            self.make_effective()
        return _REQUEST_HEADERS

    @property
    def request_trailers(self) -> HeaderMap:
        """The request's trailers; :class:`HeaderMap`."""
        if phase.effective is not self:
            self.make_effective()
        return _REQUEST_TRAILERS

    @property
    def response_headers(self) -> HeaderMap:
        """The response's headers; :class:`HeaderMap`."""
        if phase.effective is not self:
            self.make_effective()
        return _RESPONSE_HEADERS

    @property
    def response_trailers(self) -> HeaderMap:
        """The response's trailers; :class:`HeaderMap`."""
        if phase.effective is not self:
            self.make_effective()
        return _RESPONSE_TRAILERS

    @property
    def request_body(self) -> Body:
        """The request's body, as far as it is here; :class:`Body`."""
        if phase.effective is not self:
            self.make_effective()
        return _REQUEST_BODY

    @property
    def response_body(self) -> Body:
        """The response's body, as far as it is here; :class:`Body`."""
        if phase.effective is not self:
            self.make_effective()
        return _RESPONSE_BODY

    @property
    def request_id(self) -> str:
        """The request's ``x-request-id``, empty if there is none; asked of the host once."""
        try:
            return self._request_id
        except AttributeError:
            self._request_id = self.properties.request_id or ""
            return self._request_id

    def send_response(
        self,
        status: int,
        *,
        headers: HeaderInput = (),
        body: str | bytes = b"",
        details: str = "",
        grpc_status: int | None = None,
    ) -> None:
        """Answer the client from here; the request goes no further (``proxy_send_local_response``).

        ``details`` shows in the proxy's access log (no blanks); ``grpc_status`` is the code that gRPC clients get. Possible once a
        stream and only until the response headers are on their way to the client: after that Envoy resets the stream.
        Raises :class:`LocalResponseSentError` the second time.
        """
        if self._state & ANSWERED:
            raise LocalResponseSentError(
                f"{self!r} has sent a local response already (in {phase.describe()})"
            )
        self.make_effective()
        host.send_local_response(
            status,
            details.encode("utf-8", "replace"),
            to_bytes(body),
            to_pairs(headers),
            -1 if grpc_status is None else grpc_status,
        )
        in_response = phase.callback is not None and phase.callback.startswith("on_response")
        replaced = in_response or self._state & (PAUSED << _RESPONSE | BUSY << _RESPONSE)
        self._state |= ANSWERED | REPLACED if replaced else ANSWERED

    @property
    def response_sent(self) -> bool:
        """Whether :meth:`send_response` was called."""
        return bool(self._state & ANSWERED)

    def continue_request(self) -> None:
        """Let a paused request go on."""
        self._continue(_REQUEST)

    def continue_response(self) -> None:
        """Let a paused response go on."""
        self._continue(_RESPONSE)

    def close_request(self) -> None:
        """Reset the stream; the client gets no answer."""
        self._close(_REQUEST)

    def close_response(self) -> None:
        """Reset the stream; what the client has of the response is all it gets."""
        self._close(_RESPONSE)

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> StreamResult:
        """The request's headers are here."""

    def on_request_body(self, body_size: int, end_of_stream: bool) -> StreamResult:
        """A part of the request's body is here. With trailers to come, ``end_of_stream`` stays ``False``."""

    def on_request_trailers(self, num_trailers: int) -> StreamResult:
        """The request's trailers are here, and everything before them."""

    def on_request_metadata(self, num_elements: int) -> StreamResult:
        """HTTP/2 metadata of the request is here (Envoy only)."""

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> StreamResult:
        """The response's headers are here, be it from upstream or a local response."""

    def on_response_body(self, body_size: int, end_of_stream: bool) -> StreamResult:
        """A part of the response's body is here. With trailers to come, ``end_of_stream`` stays ``False``."""

    def on_response_trailers(self, num_trailers: int) -> StreamResult:
        """The response's trailers are here, and everything before them."""

    def on_response_metadata(self, num_elements: int) -> StreamResult:
        """HTTP/2 metadata of the response is here (Envoy only)."""


class TcpContext(_StreamContext):
    """One downstream TCP connection and its upstream."""

    __slots__ = ()

    @property
    def downstream_data(self) -> Body:
        """What the client sent, as far as it is here; :class:`Body`."""
        if phase.effective is not self:
            self.make_effective()
        return _DOWNSTREAM_DATA

    @property
    def upstream_data(self) -> Body:
        """What the upstream sent, as far as it is here; :class:`Body`."""
        if phase.effective is not self:
            self.make_effective()
        return _UPSTREAM_DATA

    def continue_downstream(self) -> None:
        """Let paused data from the client go on."""
        self._continue(_DOWNSTREAM)

    def continue_upstream(self) -> None:
        """Let paused data from the upstream go on. Envoy raises :class:`UnimplementedError`: there, do not pause it."""
        self._continue(_UPSTREAM)

    def close_downstream(self) -> None:
        """Close the connection to the client."""
        self._close(_DOWNSTREAM)

    def close_upstream(self) -> None:
        """Close the connection to the upstream."""
        self._close(_UPSTREAM)

    def on_new_connection(self) -> StreamResult:
        """A client has connected."""

    def on_downstream_data(self, data_size: int, end_of_stream: bool) -> StreamResult:
        """Data from the client is here."""

    def on_upstream_data(self, data_size: int, end_of_stream: bool) -> StreamResult:
        """Data from the upstream is here."""

    def on_downstream_connection_close(self, peer_type: PeerType) -> Result:
        """The connection to the client is closed."""

    def on_upstream_connection_close(self, peer_type: PeerType) -> Result:
        """The connection to the upstream is closed."""
