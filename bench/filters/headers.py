"""A filter that edits headers both ways: two host calls on the request, two on the response."""

from __future__ import annotations

from proxy_wasm import HttpContext


class Headers(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        if self.request_headers.get("x-forwarded-for") is None:
            self.request_headers["x-filter"] = "python"

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        del self.response_headers["server"]
        self.response_headers["x-filter"] = "python"
