"""A filter that does what a request's `x-probe` header says: the integration tests drive it through a real Envoy.

`raise:CALLBACK` raises there; `swapcase` rewrites both bodies; `hold` keeps both until their end; `local` answers by itself;
`recurse`, `exhaust` and `trap` go to the limits of the VM; `append-trailer` touches the trailers; `job:TEXT` goes through a
queue; `tcp:raise:CALLBACK` is for the next TCP connection.
"""

from __future__ import annotations

import json
import logging
import sys
import uuid

import proxy_wasm.logging
from proxy_wasm import (
    Action,
    BadArgumentError,
    Counter,
    FailureMode,
    GrpcCall,
    HttpCall,
    HttpContext,
    LocalResponseSentError,
    NotFoundError,
    PeerType,
    PluginContext,
    SharedQueue,
    TcpContext,
    call_foreign_function,
    log,
    shared_data,
)

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


TCP_ORDER = "probe/tcp-order"


def count(value: bytes | None) -> bytes:
    """One more than there was."""
    return b"%d" % (int(value or b"0") + 1)


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

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action | None:
        self.order = (self.request_headers.text.get("x-probe") or "").strip()
        SEEN["streams_left"].increment(1)
        self.at("on_request_headers")
        kind, _, rest = self.order.partition(":")
        handler = getattr(self, "do_" + kind.replace("-", "_"), None)
        action: Action | None = handler(rest) if handler else None
        self.request_headers.add("x-generation", self.plugin.generation)
        return action

    def do_local(self, _: str) -> None:
        self.send_response(418, headers=[("x-from", "filter")], body="short and stout", details="teapot")

    def do_local_twice(self, _: str) -> None:
        self.send_response(418, body="first")
        try:
            self.send_response(500, body="second")
        except LocalResponseSentError as error:
            log.info("refused: %s", error)

    def do_grpc_denied(self, _: str) -> None:
        self.send_response(403, body="no", grpc_status=7)

    def do_recurse(self, _: str) -> None:
        try:
            sink(0)
        except RecursionError:
            self.request_headers.add("x-survived", "recursion")

    def do_deep_json(self, _: str) -> None:
        try:
            json.loads("[" * 100_000)
        except RecursionError:
            self.request_headers.add("x-survived", "recursion")

    def do_exhaust(self, _: str) -> None:
        hoard = []
        while True:
            hoard.append(bytearray(1 << 20))

    def do_trap(self, _: str) -> None:
        # Without Python's limit, recursion in C runs through the stack of the VM itself.
        sys.setrecursionlimit(1 << 30)
        json.loads("[" * 1_000_000)

    def do_count(self, _: str) -> None:
        self.request_headers.set("x-count", shared_data.update("probe/count", count) or b"")
        self.request_headers.set("x-worker", self.plugin.worker)

    def do_copy(self, _: str) -> None:
        self.request_headers.set("x-copy", *self.request_headers.get_all("x-value"))

    def do_logging(self, _: str) -> None:
        logging.getLogger("orders").warning("through %s", "logging")

    def do_job(self, what: str) -> None:
        self.plugin.jobs.enqueue(what)

    def do_tcp(self, order: str) -> None:
        shared_data[TCP_ORDER] = order

    def do_properties(self, _: str) -> None:
        found = self.properties
        found.set(("probe.mark",), b"\xff\x00")
        found.set("of.parts", b"never found again")
        seen = {
            "method": found.request_method,
            "path": found.request_path,
            "protocol": found.request_protocol,
            "size": found.request_size,
            "source": found.source_address,
            "plugin": found.plugin_name,
            "connection": (found.connection_id or 0) > 0,
            "tls": found.mtls,
            "headers": dict(found.get_map("request.headers") or []).get(b"x-probe") == b"properties",
            "mark": (found.get(("probe.mark",)) or b"").hex(),
            "parts": found.get_text("of.parts"),
            "missing": found.get_text("no.such"),
        }
        self.request_headers["x-properties"] = json.dumps(seen)

    def do_foreign(self, _: str) -> None:
        packed = call_foreign_function("compress", b"a" * 1000)
        self.request_headers["x-foreign"] = b"%d %d" % (
            len(packed) < 100,
            call_foreign_function("uncompress", packed) == b"a" * 1000,
        )
        try:
            call_foreign_function("no_such_function")
        except NotFoundError as error:
            self.request_headers["x-missing"] = str(error)

    def do_close(self, _: str) -> None:
        self.close_request()

    def do_late(self, _: str) -> None:
        try:
            self.response_headers.add("x", "y")
        except BadArgumentError as error:
            self.request_headers["x-error"] = f"{error.call} {error.phase}"

    def do_raise(self, callback: str) -> Action | None:
        if callback == "http_call":
            self.http_call("http", path="/callout", callback=self.on_http_answer)
        elif callback == "grpc_call":
            self.grpc_call("grpc", "test.Echo", "Unary", b"m", callback=self.on_grpc_answer)
        else:
            return None
        return Action.PAUSE

    def on_http_answer(self, call: HttpCall) -> None:
        self.at("http_call")

    def on_grpc_answer(self, call: GrpcCall) -> None:
        self.at("grpc_call")

    def on_request_body(self, body_size: int, end_of_stream: bool) -> Action | None:
        self.at("on_request_body")
        SEEN["request_body_chunks"].increment(1)
        SEEN["request_body_bytes"].increment(body_size)
        if self.order == "swapcase":
            self.request_body.replace(self.request_body.read().swapcase())
        if self.order == "hold":
            if not end_of_stream:
                return Action.PAUSE
            self.request_body.append(b"|end")
        return None

    def on_request_trailers(self, num_trailers: int) -> None:
        self.at("on_request_trailers")
        if self.order == "hold":
            self.request_body.append(b"|trailers")

    def on_request_metadata(self, num_elements: int) -> None:
        log.info("metadata: %d", num_elements)
        self.at("on_request_metadata")

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.at("on_response_headers")
        self.response_headers.add("x-python", "yes")
        if self.order == "copy":
            self.response_headers.set("x-copy", *self.response_headers.get_all("x-value"))
        if self.order in ("hold", "hold-response"):
            del self.response_headers["content-length"]

    def on_response_body(self, body_size: int, end_of_stream: bool) -> Action | None:
        self.at("on_response_body")
        SEEN["response_body_chunks"].increment(1)
        SEEN["response_body_bytes"].increment(body_size)
        if self.order == "swapcase":
            self.response_body.replace(self.response_body.read().swapcase())
        if self.order in ("hold", "hold-response") and not end_of_stream:
            return Action.PAUSE
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


class TcpProbe(TcpContext):
    """One connection under test."""

    order = ""

    def at(self, callback: str) -> None:
        """Raise here if that is the order."""
        if self.order == f"raise:{callback}":
            raise ValueError(f"ordered to fail in {callback}")

    def on_new_connection(self) -> None:
        value, _ = shared_data.get(TCP_ORDER)
        self.order = (value or b"").decode()
        self.at("on_new_connection")

    def on_downstream_data(self, data_size: int, end_of_stream: bool) -> None:
        self.at("on_downstream_data")

    def on_upstream_data(self, data_size: int, end_of_stream: bool) -> None:
        self.at("on_upstream_data")

    def on_downstream_connection_close(self, peer_type: PeerType) -> None:
        self.at("on_downstream_connection_close")

    def on_upstream_connection_close(self, peer_type: PeerType) -> None:
        self.at("on_upstream_connection_close")

    def on_done(self) -> None:
        self.at("on_done")

    def on_log(self) -> None:
        self.at("on_log")

    def on_delete(self) -> None:
        self.at("on_delete")


class ProbePlugin(PluginContext):
    """Configured by JSON.

    {"failure_mode": "open" | "closed", "generation": TEXT, "tick": SECONDS, "refuse": true, "raise": CALLBACK}; the
    configuration of the VM is a callback to raise in.
    """

    http_context = Probe
    tcp_context = TcpProbe
    generation = "0"
    fail_in = ""

    def at(self, callback: str) -> None:
        """Raise here if that is configured."""
        if self.fail_in == callback:
            raise ValueError(f"configured to fail in {callback}")

    def on_vm_start(self, configuration: bytes) -> None:
        self.fail_in = configuration.decode()
        self.at("on_vm_start")

    def on_configure(self, configuration: bytes) -> bool:
        proxy_wasm.logging.install()
        self.worker = uuid.uuid4().hex
        self.jobs = SharedQueue.register("probe-jobs")
        settings = json.loads(configuration or b"{}")
        self.fail_in = settings.get("raise", "")
        self.at("on_configure")
        self.failure_mode = FailureMode.OPEN if settings.get("failure_mode") == "open" else FailureMode.CLOSED
        self.generation = settings.get("generation", "0")
        if settings.get("tick"):
            self.set_tick_period(settings["tick"])
        return not settings.get("refuse")

    def on_tick(self) -> None:
        log.info("tick")
        self.at("on_tick")

    def on_queue_ready(self, queue_id: int) -> None:
        for job in self.jobs:
            log.info("did %s", job.decode())
            if job == b"raise":
                raise ValueError("ordered to fail in on_queue_ready")
