"""Limits the requests of each client, over all workers: a token bucket in the proxy's shared data.

The plugin configuration is JSON: {"requests": 5, "seconds": 60, "header": "x-client"}. Each client may send `requests`
at once, and the bucket fills again in `seconds`. Every worker has a VM of its own, so the buckets live in shared data,
and compare-and-swap keeps two workers from spending the same token.
"""

from __future__ import annotations

import json
import struct

from proxy_wasm import HttpContext, PluginContext, get_current_time_nanoseconds, shared_data

BUCKET = struct.Struct("<dd")
"""Tokens left, and the time of the last request in seconds since the epoch."""


class RateLimit(HttpContext):
    """Takes a token for each request, and answers 429 where there is none."""

    plugin: RateLimitPlugin

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        client = self.request_headers.get(self.plugin.header) or b""
        if not self.plugin.take(client, get_current_time_nanoseconds() / 1e9):
            wait = max(1, round(self.plugin.seconds / self.plugin.requests))
            self.send_response(429, headers=[("retry-after", str(wait))], body="too many requests\n")


class RateLimitPlugin(PluginContext):
    """Holds the limit and the buckets."""

    http_context = RateLimit
    requests = 5.0
    seconds = 60.0
    header = "x-client"

    def on_configure(self, configuration: bytes) -> None:
        settings = json.loads(configuration or b"{}")
        self.requests = float(settings.get("requests", self.requests))
        self.seconds = float(settings.get("seconds", self.seconds))
        self.header = settings.get("header", self.header)

    def take(self, client: bytes, now: float) -> bool:
        """Take a token out of the client's bucket at the time `now`; false if there is none."""
        taken = False

        def spend(bucket: bytes | None) -> bytes:
            nonlocal taken
            tokens, last = BUCKET.unpack(bucket) if bucket else (self.requests, now)
            tokens = min(self.requests, tokens + max(0.0, now - last) * self.requests / self.seconds)
            taken = tokens >= 1
            return BUCKET.pack(tokens - taken, now)

        shared_data.update(b"rate_limit/" + client, spend)
        return taken
