"""A filter that is called with the request's and the response's headers, and leaves them alone."""

from __future__ import annotations

from proxy_wasm import HttpContext


class Callbacks(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        pass

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        pass
