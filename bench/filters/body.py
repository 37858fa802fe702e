"""A filter that reads each chunk of a response body: the price of having it as a Python object."""

from __future__ import annotations

from proxy_wasm import HttpContext


class Body(HttpContext):
    def on_response_body(self, body_size: int, end_of_stream: bool) -> None:
        self.response_body.read()
