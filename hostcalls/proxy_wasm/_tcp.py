"""The context of one TCP connection."""

from __future__ import annotations

from proxy_wasm._body import Body
from proxy_wasm._contexts import StreamContext
from proxy_wasm._phase import phase
from proxy_wasm._types import BufferType, StreamType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from proxy_wasm._contexts import Result, StreamResult
    from proxy_wasm._types import PeerType

_DOWNSTREAM = int(StreamType.DOWNSTREAM)
_UPSTREAM = int(StreamType.UPSTREAM)
_DOWNSTREAM_DATA = Body(BufferType.DOWNSTREAM_DATA)
_UPSTREAM_DATA = Body(BufferType.UPSTREAM_DATA)


class TcpContext(StreamContext):
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
        """Let paused data from the upstream go on.

        Envoy raises :class:`UnimplementedError`: there, do not pause it.
        """
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
