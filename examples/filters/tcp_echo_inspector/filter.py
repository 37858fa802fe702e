"""Watches TCP connections: counts bytes and lines both ways, and closes a connection that says a forbidden word.

The plugin configuration is the word. It is found across chunks as well: the last bytes of a chunk are looked at again with the
next.
"""

from __future__ import annotations

from proxy_wasm import Action, Counter, PeerType, PluginContext, TcpContext, log

CONNECTIONS = Counter("tcp_echo_inspector.connections")
CLOSED = Counter("tcp_echo_inspector.closed_by_word")
DOWNSTREAM_BYTES = Counter("tcp_echo_inspector.downstream_bytes")
UPSTREAM_BYTES = Counter("tcp_echo_inspector.upstream_bytes")


class TcpEchoInspector(TcpContext):
    """Sees one connection."""

    plugin: TcpEchoInspectorPlugin
    tail = b""
    lines = 0

    def on_new_connection(self) -> None:
        CONNECTIONS.increment()

    def on_downstream_data(self, data_size: int, end_of_stream: bool) -> Action:
        data = self.downstream_data.read()
        DOWNSTREAM_BYTES.increment(len(data))
        self.lines += data.count(b"\n")
        word = self.plugin.word
        if word and word in self.tail + data:
            CLOSED.increment()
            log.warn("a connection said the word and is closed")
            self.close_downstream()
            return Action.PAUSE
        self.tail = (self.tail + data)[-len(word) + 1 :] if len(word) > 1 else b""
        return Action.CONTINUE

    def on_upstream_data(self, data_size: int, end_of_stream: bool) -> None:
        UPSTREAM_BYTES.increment(data_size)

    def on_downstream_connection_close(self, peer_type: PeerType) -> None:
        log.info(f"connection closed after {self.lines} lines")


class TcpEchoInspectorPlugin(PluginContext):
    """Holds the forbidden word."""

    tcp_context = TcpEchoInspector
    word = b""

    def on_configure(self, configuration: bytes) -> None:
        self.word = configuration
