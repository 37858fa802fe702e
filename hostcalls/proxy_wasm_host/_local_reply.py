"""Local responses: what Envoy (Http::Utility::prepareLocalReply) makes of `proxy_send_local_response`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from proxy_wasm_host._headers import HeaderMap, Joined

if TYPE_CHECKING:
    from proxy_wasm_host._pairs import Pairs

GRPC_UNKNOWN: Final = 2
HTTP_TO_GRPC: Final = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}


@dataclass(frozen=True)
class LocalResponse:
    """An answer of the filter itself. `grpc_status` None: follows from `status` where the request was gRPC."""

    status: int
    body: bytes
    headers: Pairs
    grpc_status: int | None
    details: str


def is_grpc(request: HeaderMap | None) -> bool:
    """Return whether the request's content type says gRPC."""
    kind = request.first(b"content-type") if request is not None else None
    return kind is not None and (kind == b"application/grpc" or kind.startswith(b"application/grpc+"))


def prepare(answer: LocalResponse, request: HeaderMap | None, *, joining: Joined) -> tuple[HeaderMap, bytes]:
    """Return headers and body of the response to `request`."""
    headers = HeaderMap([(b":status", str(answer.status).encode())], joining=joining)
    for name, value in answer.headers:
        headers.add(name, value)
    body = answer.body
    if is_grpc(request):
        headers.replace(b":status", b"200")
        headers.replace(b"content-type", b"application/grpc")
        if not headers.first(b"grpc-status"):
            status = answer.grpc_status
            if status is None:
                status = HTTP_TO_GRPC.get(answer.status, GRPC_UNKNOWN)
            headers.replace(b"grpc-status", str(status).encode())
        if body and headers.first(b"grpc-message") is None:
            headers.replace(b"grpc-message", _percent(body))
        headers.remove(b"content-length")
        return headers, b""
    if body:
        headers.replace(b"content-length", str(len(body)).encode())
        if not headers.first(b"content-type"):
            headers.replace(b"content-type", b"text/plain")
    else:
        headers.remove(b"content-length")
        headers.remove(b"content-type")
    if request is not None and request.first(b":method") == b"HEAD":
        body = b""
    return headers, body


def _percent(message: bytes) -> bytes:
    """Return a gRPC status message as the protocol wants it: printable ASCII without the percent sign."""
    return b"".join(
        bytes([byte]) if 0x20 <= byte <= 0x7E and byte != 0x25 else b"%%%02X" % byte  # noqa: PLR2004 -- ASCII
        for byte in message
    )
