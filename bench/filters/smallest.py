"""The smallest filter that does something: what it weighs is what any filter weighs."""

from __future__ import annotations

from proxy_wasm import HttpContext


class Smallest(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.request_headers["x-filter"] = "python"
