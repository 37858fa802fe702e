"""A filter that uses all of the SDK it can in one request, and logs what came of it."""

from __future__ import annotations

from proxy_wasm import (
    BadArgumentError,
    Counter,
    Gauge,
    Histogram,
    HttpCallFailedError,
    HttpContext,
    InvalidHeaderError,
    NotFoundError,
    SharedQueue,
    call_foreign_function,
    gather,
    get_current_time_nanoseconds,
    log,
    shared_data,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

REQUESTS, ACTIVE, SIZES = Counter("requests"), Gauge("active"), Histogram("sizes")


class EveryCall(HttpContext):
    __slots__ = ("chunks",)

    def __init__(self) -> None:
        self.chunks = 0
        log.info("made %d for plugin %d", self.context_id, self.plugin.context_id)

    def attempt(self, what: str, *errors: type[Exception]) -> None:
        attempts: dict[str, Callable[[], object]] = {
            "headers": lambda: self.response_headers.add("x", "1"),
            "body": lambda: self.response_body.read(0, 1),
            "queue": lambda: SharedQueue.resolve("none"),
            "function": lambda: call_foreign_function("none"),
            "value": lambda: self.request_headers.add("x", "a\nb"),
            "cluster": lambda: self.http_call("unknown"),
        }
        try:
            attempts[what]()
        except errors as error:
            log.info("%s: %s: %s", what, type(error).__name__, error)

    async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        headers = self.request_headers
        headers.set("a", "1", "2")
        headers.add("raw", b"\xff\x00"[:1])
        headers.add("empty", "")
        del headers["gone"]
        log.info("%s %s %s", headers.items(), headers.text.items(), end_of_stream)
        log.info("%s %s %s %s", headers.get("zz"), headers.get("empty"), headers.get_all("A"), "a" in headers)
        log.info(
            "%s %s %s",
            self.properties.plugin_name,
            self.properties.get("none"),
            self.properties.source_address,
        )
        for what in ("headers", "cluster"):
            self.attempt(what, BadArgumentError)
        for what in ("body", "queue", "function"):
            self.attempt(what, NotFoundError)
        self.attempt("value", InvalidHeaderError)
        REQUESTS.increment(2)
        ACTIVE.record(7)
        ACTIVE.decrement()
        SIZES.record(num_headers)
        log.info("%d %d", REQUESTS.value, ACTIVE.value)
        shared_data["k"] = "v"
        log.info(
            "%s %s", shared_data.update("k", lambda value: (value or b"") + b"w"), shared_data.get("none")
        )
        queue = SharedQueue.register("jobs")
        queue.enqueue("job")
        log.info("%s %s", list(queue), queue.dequeue())
        log.info("%s %s", get_current_time_nanoseconds() > 0, log.get_log_level())
        first, second = await gather(
            self.http_call("one", path="/1", body=b"x"), self.grpc_call("two", "S", "M", b"m")
        )
        log.info("%s %s %s %s", first.status, first.body, first.headers.items(), second.message)
        try:
            await self.http_call("broken", timeout=0.01)
        except HttpCallFailedError as error:
            log.info("%s %s", error.status, error)
        self.request_headers["x-id"] = self.request_id

    def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
        self.chunks += 1
        body = self.request_body
        body[2:4] = b"--"
        body.append(b"!")
        body.prepend(b"<")
        log.info("%s %s %s %s", body.size, body[-3:], self.request_id, end_of_stream)

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.send_response(418, headers={"x-pot": "tea"}, body="short", details="teapot")

    def on_log(self) -> None:
        log.info("%d %s", self.chunks, self.response_headers.get(":status"))
        raise ValueError("at the end")
