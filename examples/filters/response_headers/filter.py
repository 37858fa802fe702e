"""Edits response headers: hides what software answered, adds what browsers should be told."""

from __future__ import annotations

from proxy_wasm import HttpContext

HIDDEN = ("server", "x-powered-by")

ADDED = (
    ("strict-transport-security", "max-age=31536000"),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
)


class ResponseHeaders(HttpContext):
    """Removes `HIDDEN`, and sets each of `ADDED` that the upstream did not set itself."""

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        headers = self.response_headers
        for name in HIDDEN:
            headers.remove(name)
        for name, value in ADDED:
            if name not in headers:
                headers.add(name, value)
