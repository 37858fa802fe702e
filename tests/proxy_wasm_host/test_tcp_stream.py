from __future__ import annotations

import pytest
from tests.proxy_wasm_host.probe import Guest, Probe

from proxy_wasm_host import Action, ClosedError, FailurePolicy, ModuleTrapped, PeerType, StreamStateError

PAUSE = Action.PAUSE
DOWNSTREAM, UPSTREAM = 2, 3


def resume(probe: Probe, context: int) -> None:
    def tick(guest: Guest, _root: int) -> None:
        guest.call("proxy_set_effective_context", context)
        assert guest.call("proxy_continue_stream", DOWNSTREAM) == 0

    probe.on["tick"] = tick
    probe.vm.set_tick_period(probe.vm.plugins[0].context, 100)
    probe.clock.advance(0.1)


def test_a_connection_passes_its_callbacks_in_order() -> None:
    probe = Probe()
    plugin = probe.plugin()
    probe.forget()
    with plugin.tcp_stream() as stream:
        stream.connect()
        stream.downstream_data(b"ping")
        stream.upstream_data(b"pong")
        stream.downstream_data(b"", end_of_stream=True)
        stream.upstream_data(b"bye", end_of_stream=True)
    context = stream.context_id
    assert probe.seen == [
        ("context_create", context, plugin.context.id),
        ("new_connection", context),
        ("downstream_data", context, 4, 0),
        ("upstream_data", context, 4, 0),
        ("downstream_data", context, 0, 1),
        ("upstream_data", context, 3, 1),
        ("upstream_connection_close", context, PeerType.UNKNOWN),
        ("downstream_connection_close", context, PeerType.LOCAL),
        ("done", context),
        ("log", context),
        ("delete", context),
    ]
    assert (stream.upstream.data, stream.downstream.data) == (b"ping", b"pongbye")
    assert stream.upstream.ended
    assert stream.downstream.ended


def test_paused_data_grows_until_continued() -> None:
    probe = Probe(downstream_data=lambda *_: PAUSE)
    stream = probe.plugin().tcp_stream()
    stream.downstream_data(b"one")
    stream.downstream_data(b"two")
    assert [entry[2] for entry in probe.seen if entry[0] == "downstream_data"] == [3, 6]
    assert stream.paused
    assert stream.upstream.data == b""
    resume(probe, stream.context_id)
    assert stream.upstream.data == b"onetwo"
    assert not stream.upstream.ended
    stream.downstream_data(b"three")
    assert probe.seen[-1][2] == 5


def test_paused_upstream_data_comes_again_with_more() -> None:
    probe = Probe(upstream_data=lambda _guest, _context, size, _end: PAUSE if size < 6 else 0)
    stream = probe.plugin().tcp_stream()
    stream.upstream_data(b"one")
    assert stream.downstream.data == b""
    assert stream.upstream_data(b"two").chunks == [b"onetwo"]


def test_both_directions_can_be_rewritten() -> None:
    def rewrite(buffer: int, suffix: bytes) -> object:
        def handler(guest: Guest, *_: int) -> None:
            assert guest.set_body(buffer, guest.body(buffer)[1].upper() + suffix) == 0

        return handler

    probe = Probe(on={"downstream_data": rewrite(2, b"!"), "upstream_data": rewrite(3, b"?")})  # type: ignore[dict-item]
    stream = probe.plugin().tcp_stream()
    assert stream.downstream_data(b"a").data == b"A!"
    assert stream.upstream_data(b"b").data == b"B?"


def test_a_paused_new_connection_holds_data() -> None:
    probe = Probe(new_connection=lambda *_: PAUSE)
    stream = probe.plugin().tcp_stream()
    stream.connect()
    assert stream.paused
    stream.downstream_data(b"early")
    assert probe.seen[-1][0] == "new_connection"
    resume(probe, stream.context_id)
    assert probe.seen[-1][0] == "downstream_data"
    assert stream.upstream.data == b"early"
    assert (stream.paused, stream.reset) == (False, None)


@pytest.mark.parametrize(
    ("kind", "reason"), [(DOWNSTREAM, "wasm_downstream_close"), (UPSTREAM, "wasm_upstream_close")]
)
def test_the_filter_can_close_the_connection(kind: int, reason: str) -> None:
    probe = Probe(downstream_data=lambda guest, *_: guest.call("proxy_close_stream", kind))
    stream = probe.plugin().tcp_stream()
    stream.downstream_data(b"x")
    assert stream.reset == reason
    assert ("downstream_connection_close", stream.context_id, PeerType.LOCAL) in probe.seen
    assert stream.upstream.data == b""


def test_either_end_may_close() -> None:
    probe = Probe()
    plugin = probe.plugin()
    stream = plugin.tcp_stream()
    stream.connect()
    stream.close_upstream()
    stream.close_downstream()
    assert [entry[0] for entry in probe.seen[-5:]] == [
        "upstream_connection_close", "downstream_connection_close", "done", "log", "delete",
    ]  # fmt: skip
    stream.close()
    with pytest.raises(ClosedError):
        stream.downstream_data(b"x")


def test_order_is_kept() -> None:
    stream = Probe().plugin().tcp_stream()
    stream.downstream_data(b"", end_of_stream=True)
    with pytest.raises(StreamStateError, match="client has ended"):
        stream.downstream_data(b"more")
    with pytest.raises(StreamStateError, match="open already"):
        stream.connect()


def test_a_trap_closes_or_passes_the_connection_by_policy() -> None:
    extra = '(func (export "boom") unreachable)'
    for policy in (FailurePolicy.FAIL_CLOSED, FailurePolicy.FAIL_OPEN, FailurePolicy.RAISE):
        probe = Probe(extra=extra, policy=policy, downstream_data=lambda guest, *_: guest.vm.export("boom")())
        stream = probe.plugin().tcp_stream()
        if policy is FailurePolicy.RAISE:
            with pytest.raises(ModuleTrapped):
                stream.downstream_data(b"x")
            continue
        stream.downstream_data(b"x")
        assert stream.reset == "wasm_fail_stream"
        assert stream.upstream.data == b""
        if policy is FailurePolicy.FAIL_OPEN:
            assert stream.plugin.tcp_stream().downstream_data(b"y").data == b"y"


def test_http_calls_do_nothing_to_a_connection() -> None:
    probe = Probe(downstream_data=lambda guest, *_: guest.respond(403))
    stream = probe.plugin().tcp_stream()
    assert stream.downstream_data(b"x").data == b"x"


def test_a_connection_without_any_event_leaves_no_trace() -> None:
    probe = Probe()
    plugin = probe.plugin()
    probe.forget()
    plugin.tcp_stream().close()
    assert probe.seen == []
