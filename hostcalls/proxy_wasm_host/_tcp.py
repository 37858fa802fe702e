"""TCP streams: Envoy's network filter with one filter between client and upstream."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import PeerType
from proxy_wasm_host._body import Body
from proxy_wasm_host._stream import Stream
from proxy_wasm_host.errors import StreamStateError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_wasm_host._plugin import Plugin
    from proxy_wasm_host._properties import PropertyValue


@dataclass
class Bytes:
    """One side's view of a connection so far."""

    chunks: list[bytes] = field(default_factory=list)
    ended: bool = False

    @property
    def data(self) -> bytes:
        """Return everything so far."""
        return b"".join(self.chunks)


class TcpStream(Stream):
    """One TCP connection through a plugin.

    `upstream` and `downstream` are what either end has got so far; `reset` says why the filter closed the
    connection. Downstream data is held while the filter pauses; upstream data it answers PAUSE to is kept
    back and comes again with the next data, as in Envoy, where writes can't be resumed.
    """

    def __init__(self, plugin: Plugin, properties: Mapping[str, PropertyValue] | None = None) -> None:
        super().__init__(plugin, properties)
        self.upstream = Bytes()
        self.downstream = Bytes()
        self.reset: str | None = None
        self.connected = False
        self.received = [0, 0]
        """Bytes that came in from the client and from the upstream."""
        self.offered = False
        """Whether the filter has seen anything but the new connection."""
        self._paused_at_start = False
        self._held = (Body(strict=not self.host.quirks), Body(strict=not self.host.quirks))
        self._ended = [False, False]
        self._finished = [False, False]

    @property
    def paused(self) -> bool:
        """Return whether the filter holds downstream data back."""
        return self._paused_at_start or len(self._held[0]) > 0

    def connect(self) -> None:
        """Open the connection; done by the first data if nobody did."""
        self.check_open()
        if self.connected:
            raise StreamStateError("the connection is open already", where=f"TCP stream {self.context.id}")
        self.connected = True
        self.create()
        self._paused_at_start = self.ask("proxy_on_new_connection", self.context.id) != 0
        self.host.settle()

    def downstream_data(self, data: bytes, end_of_stream: bool = False) -> Bytes:
        """Let the client send; return what the upstream has got so far."""
        self._prepare(0)
        self.received[0] += len(data)
        self._held[0].append(bytes(data))
        self._ended[0] = end_of_stream
        if not self._paused_at_start:
            self._offer(0)
        self.host.settle()
        return self.upstream

    def upstream_data(self, data: bytes, end_of_stream: bool = False) -> Bytes:
        """Let the upstream send; return what the client has got so far."""
        self._prepare(1)
        self.received[1] += len(data)
        self._held[1].append(bytes(data))
        self._ended[1] = end_of_stream
        self._offer(1)
        if end_of_stream and self.reset is None:
            self._closed_by(1, PeerType.UNKNOWN)
        self.host.settle()
        return self.downstream

    def close_downstream(self, peer: PeerType = PeerType.REMOTE) -> None:
        """Let the client's connection end; closes the stream."""
        self.check_open()
        self._closed_by(0, peer)
        self.close()

    def close_upstream(self, peer: PeerType = PeerType.REMOTE) -> None:
        """Let the upstream's connection end."""
        self.check_open()
        self._closed_by(1, peer)
        self.host.settle()

    def _prepare(self, side: int) -> None:
        self.check_open()
        if not self.connected:
            self.connect()
        if self._ended[side] and self.reset is None:
            end = "upstream" if side else "client"
            raise StreamStateError(f"the {end} has ended its side", where=f"TCP stream {self.context.id}")

    def _offer(self, side: int) -> None:
        if self.reset is not None:
            return
        self.offered = True
        body, end = self._held[side], self._ended[side]
        sink = self.downstream if side else self.upstream
        context = self.context
        name = "proxy_on_upstream_data" if side else "proxy_on_downstream_data"
        context.bodies[side] = body
        context.end_of_stream = end
        answer = 0 if self.bypassed else self.ask(name, context.id, len(body), end)
        if answer == 0 and self.reset is None:
            context.bodies[side] = None
            self._forward(side, sink, end)

    def _forward(self, side: int, sink: Bytes, end: bool) -> None:
        data = self._held[side].take()
        if data:
            sink.chunks.append(data)
        sink.ended = end

    def _closed_by(self, side: int, peer: PeerType) -> None:
        if self._finished[side] or not self.context.created or self.bypassed:
            return
        self._finished[side] = True
        name = "proxy_on_upstream_connection_close" if side else "proxy_on_downstream_connection_close"
        self.vm.run(self.context, name, self.context.id, int(peer))

    def continue_stream(self, side: int) -> None:
        """Resume reading from the client: the filter sees what is held once more."""
        del side
        at_start, self._paused_at_start = self._paused_at_start, False
        if at_start:
            if len(self._held[0]) or self._ended[0]:
                self._offer(0)
        elif len(self._held[0]):
            # Envoy hands what was read to the next filter, not to this one again.
            self.context.bodies[0] = None
            self._forward(0, self.upstream, self._ended[0])

    def reset_stream(self, reason: str) -> None:
        """Close the connection on behalf of the filter."""
        if self.reset is None:
            self.reset = reason
            self._closed_by(0, PeerType.LOCAL)

    def fail(self) -> None:
        """Close the connection because the VM failed."""
        self.reset = self.reset or "wasm_fail_stream"

    def close(self) -> None:
        """End the connection: the module is told unless it knows, finishes, and logs."""
        if not self.closed and self.connected:
            # Once both ends have had their say, it is the proxy that closes.
            self._closed_by(0, PeerType.LOCAL if all(self._ended) else PeerType.REMOTE)
        super().close()
