"""Measures traffic: responses by class of status, bytes of bodies, and how long the upstream takes.

Names are few and fixed. A client chooses neither a name nor a label, or it could fill the proxy's memory with metrics.
"""

from __future__ import annotations

import time

from proxy_wasm import Counter, Histogram, HttpContext, log

CLASSES = {str(digit): Counter(f"traffic.responses_{digit}xx") for digit in range(1, 6)}
OTHER = Counter("traffic.responses_other")
REQUEST_BYTES = Counter("traffic.request_bytes")
RESPONSE_BYTES = Counter("traffic.response_bytes")
DURATION = Histogram("traffic.upstream_ms")


class Metrics(HttpContext):
    """Counts one stream."""

    request_bytes = 0
    response_bytes = 0
    start = 0.0
    line = ""

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.start = time.monotonic()
        headers = self.request_headers.text
        self.line = f"{headers.get(':method')} {headers.get(':path')}"

    def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
        self.request_bytes += body_size

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        status = self.response_headers.text.get(":status") or ""
        CLASSES.get(status[:1], OTHER).increment()
        DURATION.record(round((time.monotonic() - self.start) * 1000))
        self.line = f"{self.line} {status}"

    def on_response_body(self, body_size: int, end_of_stream: bool) -> None:
        self.response_bytes += body_size

    def on_log(self) -> None:
        if self.request_bytes:
            REQUEST_BYTES.increment(self.request_bytes)
        if self.response_bytes:
            RESPONSE_BYTES.increment(self.response_bytes)
        log.info(f"{self.line} {self.response_bytes} B")
