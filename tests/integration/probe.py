"""A filter that does what a request's `x-probe` header says: the integration tests drive it through a real Envoy.

`raise:CALLBACK` raises there; `swapcase` rewrites both bodies; `local` answers by itself; `recurse`, `exhaust` and `trap` go
to the limits of the VM; `append-trailer` touches the trailers.
"""

from __future__ import annotations

import json
import sys

from proxy_wasm import Action, Counter, FailureMode, HttpContext, PluginContext, log, shared_data

SEEN = {
    name: Counter(f"probe.{name}")
    for name in (
        "request_body_chunks",
        "request_body_bytes",
        "response_body_chunks",
        "response_body_bytes",
        "streams_left",
    )
}


def sink(depth: int) -> int:
    """Go down for ever: Python's own limit has to stop it."""
    return sink(depth + 1) + 1


class Probe(HttpContext):
    """One stream under test."""

    plugin: ProbePlugin
    order = ""

    def at(self, callback: str) -> None:
        """Raise here if that is the order."""
        if self.order == f"raise:{callback}":
            raise ValueError(f"ordered to fail in {callback}")

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.order = (self.request_headers.text.get("x-probe") or "").strip()
        SEEN["streams_left"].increment(1)
        self.at("on_request_headers")
        if self.order == "local":
            self.send_response(418, headers=[("x-from", "filter")], body="short and stout", details="teapot")
        elif self.order == "grpc-denied":
            self.send_response(403, body="no", grpc_status=7)
        elif self.order == "recurse":
            try:
                sink(0)
            except RecursionError:
                self.request_headers.add("x-survived", "recursion")
        elif self.order == "deep-json":
            try:
                json.loads("[" * 100_000)
            except RecursionError:
                self.request_headers.add("x-survived", "recursion")
        elif self.order == "exhaust":
            hoard = []
            while True:
                hoard.append(bytearray(1 << 20))
        elif self.order == "trap":
            # Without Python's limit, recursion in C runs through the stack of the VM itself.
            sys.setrecursionlimit(1 << 30)
            json.loads("[" * 1_000_000)
        self.request_headers.add("x-generation", self.plugin.generation)

    def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
        self.at("on_request_body")
        SEEN["request_body_chunks"].increment(1)
        SEEN["request_body_bytes"].increment(body_size)
        if self.order == "swapcase":
            self.request_body.replace(self.request_body.read().swapcase())

    def on_request_trailers(self, num_trailers: int) -> None:
        self.at("on_request_trailers")

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.at("on_response_headers")
        self.response_headers.add("x-python", "yes")

    def on_response_body(self, body_size: int, end_of_stream: bool) -> Action | None:
        self.at("on_response_body")
        SEEN["response_body_chunks"].increment(1)
        SEEN["response_body_bytes"].increment(body_size)
        if self.order == "swapcase":
            self.response_body.replace(self.response_body.read().swapcase())
        return None

    def on_response_trailers(self, num_trailers: int) -> None:
        self.at("on_response_trailers")
        if self.order == "append-trailer":
            self.response_trailers.add("x-python-trailer", "yes")

    def on_done(self) -> None:
        self.at("on_done")

    def on_log(self) -> None:
        self.at("on_log")

    def on_delete(self) -> None:
        self.at("on_delete")


class ProbePlugin(PluginContext):
    """Configured by JSON: {"failure_mode": "open" | "closed", "generation": TEXT, "tick": SECONDS, "refuse": true}."""

    http_context = Probe
    generation = "0"

    def on_configure(self, configuration: bytes) -> bool:
        settings = json.loads(configuration or b"{}")
        self.failure_mode = FailureMode.OPEN if settings.get("failure_mode") == "open" else FailureMode.CLOSED
        self.generation = settings.get("generation", "0")
        if settings.get("tick"):
            self.set_tick_period(settings["tick"])
        return not settings.get("refuse")

    def on_tick(self) -> None:
        shared_data.update("probe/ticks", lambda value: str(int(value or b"0") + 1).encode())
        log.info("tick")
