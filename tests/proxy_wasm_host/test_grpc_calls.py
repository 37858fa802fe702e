from __future__ import annotations

from typing import Any

from tests.proxy_wasm_host.probe import MEMORY, Guest, Probe

from proxy_wasm_host import CallFailure, GrpcCall, GrpcReply, GrpcStream
from proxy_wasm_host._callouts import grpc_target
from proxy_wasm_host._pairs import serialise

NOT_FOUND, BAD_ARGUMENT, PARSE_FAILURE, INVALID_MEMORY = 1, 2, 4, 6
ENVOY_GRPC = b"\n\x06\n\x04auth"


def start(guest: Guest, target: bytes = b"auth", message: bytes | None = b"ask", timeout_ms: int = 0) -> Any:
    shared = [
        *guest.put(target),
        *guest.put(b"pkg.Service"),
        *guest.put(b"Method"),
        *guest.put(serialise([(b"k", b"v")])),
    ]
    if message is None:
        return guest.number("proxy_grpc_stream", *shared)
    return guest.number("proxy_grpc_call", *shared, *guest.put(message), timeout_ms)


class Caller:
    def __init__(self, message: bytes | None = b"ask", target: bytes = b"auth", timeout_ms: int = 0) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.started: tuple[int, int] = (0, 0)
        events = self.events

        def configure(guest: Guest, *_: int) -> None:
            self.started = start(guest, target, message, timeout_ms)

        def closed(guest: Guest, _root: int, call: int, code: int) -> None:
            out = guest.out()
            message = guest.given("proxy_get_status", out)[1]
            events.append(("close", call, code, guest.u32(out), message))

        self.probe = Probe(
            configure=configure,
            grpc_receive=lambda guest, _root, call, size: events.append(("message", call, size, guest.body(5)[1])),
            grpc_receive_initial_metadata=lambda guest, _root, call, _n: events.append(("initial", call, guest.pairs(4)[1])),
            grpc_receive_trailing_metadata=lambda guest, _root, call, _n: events.append(("trailing", call, guest.pairs(5)[1])),
            grpc_close=closed,
        )  # fmt: skip
        self.host = self.probe.host

    def in_tick(self, action: Any) -> None:
        self.probe.on["tick"] = lambda guest, _root: action(guest)
        self.probe.vm.set_tick_period(self.probe.vm.plugins[0].context, 10)
        self.probe.clock.advance(0.01)
        self.probe.vm.set_tick_period(self.probe.vm.plugins[0].context, 0)


def test_a_unary_call_is_answered_by_a_message_alone() -> None:
    caller = Caller()
    seen: list[GrpcCall] = []

    def answer(call: GrpcCall) -> GrpcReply:
        seen.append(call)
        return GrpcReply(b"answer")

    caller.host.cluster("auth", grpc=answer)
    caller.probe.plugin()
    assert caller.started == (0, 5)
    assert caller.events == [("message", 5, 6, b"answer")]
    call = seen[0]
    assert (call.service, call.method, call.message) == ("pkg.Service", "Method", b"ask")
    assert call.initial_metadata == [("k", "v")]


def test_a_failed_call_is_closed_with_status_and_message() -> None:
    caller = Caller()
    caller.host.cluster("auth", grpc=GrpcReply(status=7, status_message="not you"))
    caller.probe.plugin()
    assert caller.events == [("close", 5, 7, 7, b"not you")]


def test_a_broken_call_is_unavailable_and_a_slow_one_exceeds_its_deadline() -> None:
    caller = Caller()
    caller.host.cluster("auth", grpc=lambda _call: CallFailure())
    caller.probe.plugin()
    assert caller.events[0][:3] == ("close", 5, 14)
    caller = Caller(timeout_ms=100)
    caller.host.cluster("auth", grpc=GrpcReply(b"late", after=1))
    caller.probe.plugin()
    caller.probe.clock.advance(2)
    assert [event[:3] for event in caller.events] == [("close", 5, 4)]


def test_the_target_may_be_envoys_message() -> None:
    caller = Caller(target=ENVOY_GRPC)
    caller.host.cluster("auth", grpc=GrpcReply(b"x"))
    caller.probe.plugin()
    assert caller.events == [("message", 5, 1, b"x")]
    assert [grpc_target(raw) for raw in (b"auth", ENVOY_GRPC, b"\n", b"\n\xff\xff\xff\xff\xff\x01x", b"")] == [
        "auth", "auth", "\n", "\n" + "\\xff" * 5 + "\x01x", "",
    ]  # fmt: skip


def test_unknown_clusters_are_a_parse_failure_as_in_envoy() -> None:
    for message in (b"ask", None):
        caller = Caller(message, target=b"nobody")
        caller.probe.plugin()
        assert caller.started[0] == PARSE_FAILURE


def test_a_stream_goes_both_ways() -> None:
    caller = Caller(message=None)
    opened: list[GrpcStream] = []
    caller.host.cluster("auth", grpc_stream=opened.append)
    caller.probe.plugin()
    assert caller.started == (0, 6)
    stream = opened[0]
    stream.on_message = lambda message: stream.send(message.upper())
    stream.send_initial_metadata([("a", "1")])
    caller.in_tick(lambda guest: guest.call("proxy_grpc_send", 6, *guest.put(b"one"), 0))
    caller.in_tick(lambda guest: guest.call("proxy_grpc_send", 6, *guest.put(b"two"), 1))
    assert stream.sent == [b"one", b"two"]
    assert stream.half_closed
    stream.send_trailing_metadata([("z", "2")])
    stream.close(0)
    caller.host.settle()
    assert caller.events == [
        ("initial", 6, [(b"a", b"1")]),
        ("message", 6, 3, b"ONE"),
        ("message", 6, 3, b"TWO"),
        ("trailing", 6, [(b"z", b"2")]),
        ("close", 6, 0, 0, b""),
    ]


def test_cancelled_and_closed_calls_are_silent() -> None:
    for name in ("proxy_grpc_cancel", "proxy_grpc_close"):
        caller = Caller()
        caller.host.cluster("auth", grpc=GrpcReply(b"x", after=1))
        caller.probe.plugin()
        seen: list[int] = []
        caller.in_tick(lambda guest, name=name, seen=seen: seen.extend(guest.call(name, 5) for _ in range(2)))
        caller.probe.clock.advance(2)
        assert seen == [0, NOT_FOUND]
        assert caller.events == []


def test_closing_a_stream_ends_this_side_only() -> None:
    caller = Caller(message=None)
    opened: list[GrpcStream] = []
    caller.host.cluster("auth", grpc_stream=opened.append)
    caller.probe.plugin()
    caller.in_tick(lambda guest: guest.call("proxy_grpc_close", 6))
    assert opened[0].half_closed
    opened[0].send(b"still")
    caller.host.settle()
    assert caller.events == [("message", 6, 5, b"still")]


def test_ids_say_what_they_are() -> None:
    seen: list[tuple[str, int, int]] = []

    def configure(guest: Guest, *_: int) -> None:
        for name, arguments in (("send", (0, 0, 0)), ("cancel", ()), ("close", ())):
            seen.extend(
                (name, kind, guest.call(f"proxy_grpc_{name}", 400 + kind, *arguments)) for kind in range(3)
            )
        assert guest.call("proxy_grpc_send", 402, MEMORY, 1, 0) == INVALID_MEMORY

    Probe(configure=configure).plugin()
    assert seen == [
        ("send", 0, BAD_ARGUMENT), ("send", 1, BAD_ARGUMENT), ("send", 2, NOT_FOUND),
        ("cancel", 0, BAD_ARGUMENT), ("cancel", 1, NOT_FOUND), ("cancel", 2, NOT_FOUND),
        ("close", 0, BAD_ARGUMENT), ("close", 1, NOT_FOUND), ("close", 2, NOT_FOUND),
    ]  # fmt: skip
