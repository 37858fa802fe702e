"""The context of one HTTP request and its response."""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._body import Body
from proxy_wasm._contexts import ANSWERED, BUSY, PAUSED, REPLACED, StreamContext
from proxy_wasm._errors import LocalResponseSentError
from proxy_wasm._headers import HeaderMap, to_bytes, to_pairs, to_text
from proxy_wasm._phase import phase
from proxy_wasm._types import BufferType, MapType, StreamType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from proxy_wasm._contexts import StreamResult
    from proxy_wasm._headers import HeaderInput

_REQUEST = int(StreamType.HTTP_REQUEST)
_RESPONSE = int(StreamType.HTTP_RESPONSE)
_REQUEST_HEADERS = HeaderMap(MapType.HTTP_REQUEST_HEADERS)
_REQUEST_TRAILERS = HeaderMap(MapType.HTTP_REQUEST_TRAILERS)
_RESPONSE_HEADERS = HeaderMap(MapType.HTTP_RESPONSE_HEADERS)
_RESPONSE_TRAILERS = HeaderMap(MapType.HTTP_RESPONSE_TRAILERS)
_REQUEST_BODY = Body(BufferType.HTTP_REQUEST_BODY)
_RESPONSE_BODY = Body(BufferType.HTTP_RESPONSE_BODY)


class HttpContext(StreamContext):
    """One HTTP request and its response.

    Callbacks answer :attr:`Action.CONTINUE` (or ``None``) or :attr:`Action.PAUSE`; any of them may be
    ``async``.
    """

    __slots__ = ("_request_id",)

    _request_id: bytes | None

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
        """The request's ``x-request-id``, empty if there is none.

        Without an ``on_request_headers`` of the filter's own, Envoy knows it only in ``on_log``.
        """
        try:
            known = self._request_id
        except AttributeError:
            known = self.properties.get("request.id")
        return to_text(known or b"")

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

        ``details`` shows in the proxy's access log (no blanks); ``grpc_status`` is the code that gRPC clients
        get. Possible once a stream and only until the response headers are on their way to the client: after
        that Envoy resets the stream. Raises :class:`LocalResponseSentError` the second time.
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
        """Let a paused request go on; nothing happens if it is not paused."""
        self._continue(_REQUEST)

    def continue_response(self) -> None:
        """Let a paused response go on; nothing happens if it is not paused."""
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
