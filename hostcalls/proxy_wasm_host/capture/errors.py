"""What goes wrong with a capture file."""

from __future__ import annotations

from proxy_wasm_host.errors import ProxyWasmHostError


class CaptureError(ProxyWasmHostError):
    """A capture that can't be read or written: what was wrong, where, what would be right.

    `where` is the file and the position in the format's own terms: line and column, a path such as
    `log.entries[3].request.url`, a byte offset or the number of an exchange.
    """

    where: str

    def __init__(self, what: str, *, where: str, remedy: str | None = None) -> None:
        super().__init__(what, where=where, remedy=remedy)


class NoRequestError(CaptureError):
    """Tap output without any request: what Envoy writes of a stream that it refused before it had headers."""
