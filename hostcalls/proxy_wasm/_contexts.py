"""The contexts that a filter's author derives from: plugin, HTTP stream, TCP stream.

A callback is a method; what a class does not override is not exported by the module and costs nothing. Host
calls apply to the context they are made on: using another stream's headers or body makes that stream
effective first.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._calls import milliseconds, start_grpc_call, start_grpc_stream, start_http_call
from proxy_wasm._headers import to_text
from proxy_wasm._phase import phase
from proxy_wasm._properties import PROPERTIES, Properties
from proxy_wasm._types import Action, FailureMode, StreamType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any, ClassVar, Self

    from proxy_wasm._calls import GrpcCall, GrpcStream, HttpCall
    from proxy_wasm._dispatch import Dispatcher
    from proxy_wasm._headers import HeaderInput
    from proxy_wasm._http import HttpContext
    from proxy_wasm._pending import Task
    from proxy_wasm._tcp import TcpContext

    StreamResult = Action | None | Awaitable[Action | None]
    Result = None | Awaitable[None]

# What is out of the ordinary about a stream, as bits of Context._state; 0 is the way of nearly every
# callback. Directions are numbered as in StreamType.
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
RELEASED = 4096
"""Shifted by the direction: the filter has let it go on while a coroutine of it is still busy."""

_REQUEST, _RESPONSE = int(StreamType.HTTP_REQUEST), int(StreamType.HTTP_RESPONSE)


def is_over(state: int, direction: int) -> bool:
    """Whether a direction has nothing left to decide: it was answered, replaced or closed by the filter."""
    return bool(
        state & CLOSED
        or (state & ANSWERED and direction == _REQUEST)
        or (state & REPLACED and direction == _RESPONSE)
    )


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
        """Call ``cluster``, one of the proxy's configuration, by HTTP; it is on its way when this returns.

        Await the result, or give a ``callback`` that gets the finished call. ``authority`` is the cluster's
        name unless given. ``timeout`` is in seconds; when they are over Envoy answers with status 504, as it
        does with 503 where there is no connection. Raises :class:`BadArgumentError` for an unknown cluster,
        :class:`InternalFailureError` if it fails at once.
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

        ``service`` has its package (``pkg.Service``); ``timeout`` is in seconds. ``cluster`` may also be a
        serialised ``envoy.config.core.v3.GrpcService``. Raises :class:`ParseFailureError` for an unknown
        cluster.
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
        """Say that this context is no longer needed, after ``on_done`` returned ``False`` (``proxy_done``)."""
        self.make_effective()
        host.done()

    def on_done(self) -> bool | None:
        """The host is done with this context.

        ``False`` keeps it until :meth:`done` is called; Envoy heeds it for plugins only.
        """

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

    Set ``http_context`` or ``tcp_context`` to the class of your streams; override :meth:`create_http_context`
    or :meth:`create_tcp_context` where that is not enough.
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

    def __new__(cls, *_args: object, **_options: object) -> Self:
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

    @classmethod
    def prepare(cls) -> None:
        """Run once while the module is built, before the snapshot: what it computes is in every VM from the start.

        There is no host yet. The place for compiled patterns, parsed policies (:func:`build_data`) and imports.
        """

    @property
    def plugin(self) -> PluginContext:
        """The plugin itself."""
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

    def on_configure(self, configuration: bytes) -> bool | Awaitable[bool | None] | None:
        """The plugin starts; ``configuration`` is the plugin's. ``False`` or an exception refuses it.

        An ``async`` one counts as a success at its first wait.
        """

    def on_tick(self) -> Result:
        """The tick period is over; see :meth:`set_tick_period`."""

    def on_queue_ready(self, queue_id: int) -> Result:
        """There is something in a shared queue that this plugin registered."""

    def on_foreign_function(self, function_id: int, arguments: bytes) -> Result:
        """The host calls one of the functions that it agreed on with this plugin."""


class StreamContext(Context):
    """What HTTP and TCP streams have in common."""

    __slots__ = ("plugin",)

    plugin: PluginContext
    """The plugin that this stream belongs to; annotate it in your class with your own plugin's type."""
    failure_mode: ClassVar[FailureMode] = FailureMode.CLOSED
    """For files with a stream class only: the failure mode of the plugin that is made for it."""

    @classmethod
    def prepare(cls) -> None:
        """For files with a stream class only; :meth:`PluginContext.prepare`."""

    def __new__(cls, *_args: Any, **_options: Any) -> Self:
        self = object.__new__(cls)
        self._state = 0
        self._calls = self._tasks = None
        creating = phase.creating
        if creating is None:
            self.context_id = 0
        else:
            self.context_id, plugin = creating
            if plugin is not None:
                self.plugin = plugin
        return self

    def _continue(self, direction: int) -> None:
        state = self._state
        busy = state & BUSY << direction
        if (
            not (busy or state & PAUSED << direction)
            or state & RELEASED << direction
            or is_over(state, direction)
        ):
            return
        self.make_effective()
        host.continue_stream(direction)
        self._state = state & ~(PAUSED << direction) | (RELEASED << direction if busy else 0)

    def _close(self, direction: int) -> None:
        self.make_effective()
        host.close_stream(direction)
        self._state |= CLOSED
