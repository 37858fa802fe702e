"""What the host knows of one context of a VM: which maps and buffers the guest can reach right now."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_wasm_host._body import Body
    from proxy_wasm_host._clock import Timer
    from proxy_wasm_host._headers import HeaderMap
    from proxy_wasm_host._plugin import Plugin
    from proxy_wasm_host._stream import Stream


class Context:
    """A context: of the VM (id 0), of a plugin (root), or of a stream."""

    __slots__ = ("id", "plugin", "root")

    def __init__(self, context_id: int, plugin: Plugin | None) -> None:
        self.id = context_id
        self.plugin = plugin
        self.root: RootContext | None = None


class RootContext(Context):
    """A plugin's context: configuration, timer, and the call-out whose answer is being delivered."""

    __slots__ = (
        "call_body",
        "call_headers",
        "call_trailers",
        "created",
        "foreign_arguments",
        "grpc_initial_metadata",
        "grpc_message",
        "grpc_trailing_metadata",
        "plugin_configuration",
        "status",
        "tick_period",
        "tick_timer",
    )

    def __init__(self, context_id: int, plugin: Plugin) -> None:
        super().__init__(context_id, plugin)
        self.root = self
        self.created = False
        self.plugin_configuration: bytes | None = None
        self.call_headers: HeaderMap | None = None
        self.call_body: bytes | None = None
        self.call_trailers: HeaderMap | None = None
        self.grpc_initial_metadata: HeaderMap | None = None
        self.grpc_trailing_metadata: HeaderMap | None = None
        self.grpc_message: bytes | None = None
        self.foreign_arguments: bytes | None = None
        self.status: tuple[int, bytes] = (0, b"")
        self.tick_period = 0
        self.tick_timer: Timer | None = None


class StreamContext(Context):
    """A stream's context.

    `maps` are request headers and trailers, response headers and trailers, as far as they can be changed now;
    `log_maps` replaces them while the stream is logged. `bodies` are the chunks of request and response
    (for TCP: of downstream and upstream) in the running callback; `buffering` says that the callback
    paused, so that all that is held back counts instead.
    """

    __slots__ = ("bodies", "buffering", "created", "end_of_stream", "log_maps", "maps", "stream")

    def __init__(self, context_id: int, plugin: Plugin, root: RootContext, stream: Stream) -> None:
        super().__init__(context_id, plugin)
        self.root = root
        self.stream = stream
        self.created = False
        self.maps: list[HeaderMap | None] = [None, None, None, None]
        self.log_maps: list[HeaderMap | None] | None = None
        self.bodies: list[Body | None] = [None, None]
        self.buffering = [False, False]
        self.end_of_stream = False
