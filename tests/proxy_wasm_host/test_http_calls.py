from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy_wasm_host.probe import GET, MEMORY, Guest, Probe

from proxy_wasm_host import (
    LATER,
    CallFailure,
    HttpCall,
    HttpReply,
    ProxyWasmHostError,
    real_upstream,
)

if TYPE_CHECKING:
    from collections.abc import Callable

BAD_ARGUMENT, INVALID_MEMORY = 2, 6
HEADERS, TRAILERS, BODY = 6, 7, 4


class Caller:
    """A probe whose request headers callback pauses and makes a call; the answer lets the request go."""

    def __init__(self, timeout_ms: int = 0, body: bytes = b"", **options: Any) -> None:
        self.answers: list[dict[str, Any]] = []
        self.started: list[tuple[int, int]] = []

        def request(guest: Guest, context: int, *_: int) -> int:
            self.context = context
            self.started.append(guest.http_call(b"auth", None, body, timeout_ms))
            return 1

        def response(guest: Guest, _root: int, call: int, headers: int, size: int, trailers: int) -> None:
            out = guest.out()
            self.answers.append(
                {
                    "call": call,
                    "counts": (headers, size, trailers),
                    "headers": guest.pairs(HEADERS)[1],
                    "trailers": guest.pairs(TRAILERS)[1],
                    "body": guest.body(BODY),
                    "status": (guest.given("proxy_get_status", out)[1], guest.u32(out)),
                }
            )
            guest.call("proxy_set_effective_context", self.context)
            guest.call("proxy_continue_stream", 0)

        self.probe = Probe(request_headers=request, http_call_response=response, **options)
        self.host = self.probe.host
        self.plugin = self.probe.plugin()

    def run(self) -> Any:
        stream = self.plugin.http_stream()
        stream.request(GET)
        return stream


def test_an_answer_comes_after_the_callback_and_can_resume_the_stream() -> None:
    caller = Caller(body=b"ask")
    asked: list[HttpCall] = []

    def answer(call: HttpCall) -> HttpReply:
        asked.append(call)
        return HttpReply(201, b"body", [("X-A", "1")], trailers=[("t", "2")])

    caller.host.cluster("auth", answer)
    stream = caller.run()
    assert stream.upstream.ended
    assert caller.started == [(0, 4)]
    assert caller.answers == [
        {
            "call": 4,
            "counts": (2, 4, 1),
            "headers": [(b":status", b"201"), (b"x-a", b"1")],
            "trailers": [(b"t", b"2")],
            "body": (0, b"body"),
            "status": (b"", 0),
        }
    ]
    assert (asked[0].method, asked[0].path, asked[0].body, asked[0].cluster) == ("GET", "/", b"ask", "auth")
    # Envoy counts the body for the caller.
    assert asked[0].headers["content-length"] == b"3"
    assert asked[0].done


def test_ids_count_by_four() -> None:
    caller = Caller()
    caller.host.cluster("auth", HttpReply())
    caller.run()
    caller.run()
    assert [call for _, call in caller.started] == [4, 8]


@pytest.mark.parametrize(
    "headers",
    [
        [(b":method", b"GET"), (b":path", b"/")],
        [(b":method", b"GET"), (b":authority", b"a")],
        [(b":path", b"/"), (b":authority", b"a")],
        [],
    ],
)
def test_calls_without_what_a_request_needs_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    seen: list[int] = []
    probe = Probe(configure=lambda guest, *_: seen.append(guest.http_call(b"auth", headers)[0]))
    probe.host.cluster("auth", HttpReply())
    probe.plugin()
    assert seen == [BAD_ARGUMENT]


def test_unknown_clusters_and_bad_pointers_are_refused() -> None:
    def configure(guest: Guest, *_: int) -> None:
        assert guest.http_call(b"nobody")[0] == BAD_ARGUMENT
        assert guest.http_call(b"auth", timeout_ms=0x8000_0000)[0] == BAD_ARGUMENT
        good = guest.put(b"auth")
        for index in range(4):
            pointers = [good] * 4
            pointers[index] = (MEMORY, 1)
            flat = [number for pair in pointers for number in pair]
            assert guest.call("proxy_http_call", *flat, 0, guest.out()) == INVALID_MEMORY
        flat = [number for pair in [good] * 4 for number in pair]
        assert guest.call("proxy_http_call", *flat, 0, MEMORY - 3) == INVALID_MEMORY

    probe = Probe(configure=configure)
    probe.host.cluster("auth", HttpReply())
    probe.plugin()
    assert list(probe.host.calls) == []


def test_a_broken_call_answers_without_headers() -> None:
    caller = Caller()
    caller.host.cluster("auth", lambda _call: CallFailure())
    caller.run()
    assert caller.answers[0]["counts"] == (0, 0, 0)
    assert caller.answers[0]["headers"] == []
    assert caller.answers[0]["status"] == (b"reset", 11)


def test_a_slow_upstream_times_out_as_in_envoy() -> None:
    caller = Caller(timeout_ms=500)
    caller.host.cluster("auth", HttpReply(200, after=1.0))
    stream = caller.run()
    caller.probe.clock.advance(0.4)
    assert caller.answers == []
    caller.probe.clock.advance(0.2)
    assert caller.answers[0]["headers"][0] == (b":status", b"504")
    assert caller.answers[0]["body"] == (0, b"upstream request timeout")
    assert stream.upstream.ended
    caller.probe.clock.advance(5)
    assert len(caller.answers) == 1


def test_a_delayed_answer_comes_when_the_clock_gets_there() -> None:
    caller = Caller(timeout_ms=5000)
    caller.host.cluster("auth", HttpReply(204, after=1.0))
    stream = caller.run()
    assert stream.request_paused
    caller.probe.clock.advance(1)
    assert caller.answers[0]["headers"] == [(b":status", b"204")]
    assert stream.upstream.ended


def test_paths_can_be_answered_from_a_table() -> None:
    caller = Caller()
    caller.host.cluster("auth", {"/other": HttpReply(200)})
    caller.run()
    caller.host.cluster("auth", {"/": HttpReply(204)})
    caller.run()
    assert [answer["headers"][0][1] for answer in caller.answers] == [b"404", b"204"]


def test_a_test_may_answer_by_hand() -> None:
    caller = Caller()
    caller.host.cluster("auth", lambda _call: LATER)
    caller.run()
    call = caller.host.calls[0]
    assert isinstance(call, HttpCall)
    call.reply(HttpReply(200))
    caller.host.settle()
    call.reply(HttpReply(500))
    caller.host.settle()
    assert len(caller.answers) == 1


def test_a_closed_plugin_gets_no_answer() -> None:
    caller = Caller()
    caller.host.cluster("auth", HttpReply(after=1.0))
    caller.run()
    caller.plugin.close()
    caller.probe.clock.advance(2)
    assert caller.answers == []


def test_a_handler_that_returns_nonsense_is_told() -> None:
    caller = Caller()
    nonsense: Callable[[HttpCall], Any] = lambda _call: "yes"  # noqa: E731 -- stands for a test's mistake
    caller.host.cluster("auth", nonsense)
    with pytest.raises(ProxyWasmHostError, match=r"'yes'.*\n.*HttpReply"):
        caller.run()


def test_what_a_handler_raises_comes_through_to_the_test() -> None:
    caller = Caller()

    def broken(_call: HttpCall) -> HttpReply:
        raise ZeroDivisionError

    caller.host.cluster("auth", broken)
    with pytest.raises(ZeroDivisionError):
        caller.run()


def test_calls_can_go_to_a_real_server() -> None:
    import http.server  # noqa: PLC0415 -- used once
    import threading  # noqa: PLC0415 -- used once

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(203)
            self.send_header("x-seen", f"{self.path} {self.headers['host']}")
            self.end_headers()
            self.wfile.write(b"real")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        caller = Caller(timeout_ms=5000)
        port = server.server_address[1]
        caller.host.cluster("auth", real_upstream("127.0.0.1", port))
        caller.run()
        server.shutdown()
        thread.join()
    headers = dict(caller.answers[0]["headers"])
    assert (headers[b":status"], headers[b"x-seen"]) == (b"203", b"/ a")
    assert caller.answers[0]["body"] == (0, b"real")
    caller.host.cluster("auth", real_upstream("127.0.0.1", port))
    caller.run()
    assert caller.answers[1]["counts"] == (0, 0, 0)
