"""Buffering, pausing and answering: what upstream and client get, when, and what the filter is shown."""

from __future__ import annotations

from typing import Any

import pytest
from tests.proxy_wasm_host.probe import GET, OK, POST, Guest, Probe

from proxy_wasm_host import Action, ClosedError, Message, StreamStateError

PAUSE = Action.PAUSE
REQUEST, RESPONSE = 0, 1


def bodies(probe: Probe, name: str) -> list[tuple[int, int]]:
    """Size and end of stream of each body callback."""
    return [(entry[2], entry[3]) for entry in probe.seen if entry[0] == name]


def test_a_stream_passes_its_callbacks_in_order() -> None:
    probe = Probe()
    plugin = probe.plugin()
    probe.forget()
    with plugin.http_stream() as stream:
        stream.request(POST, [b"one", b"two"])
        stream.response(OK, [b"three"], trailers=[("x-end", "1")])
    context = stream.context_id
    assert probe.seen == [
        ("context_create", context, plugin.context.id),
        ("request_headers", context, 4, 0),
        ("request_body", context, 3, 0),
        ("request_body", context, 3, 1),
        ("response_headers", context, 2, 0),
        ("response_body", context, 5, 0),
        ("response_trailers", context, 1),
        ("log", context),
        ("done", context),
        ("delete", context),
    ]
    assert stream.upstream.chunks == [b"one", b"two"]
    assert stream.upstream.ended
    assert stream.downstream.body == b"three"
    assert stream.downstream.trailers == [("x-end", "1")]


def test_without_a_body_the_headers_end_the_stream() -> None:
    probe = Probe()
    stream = probe.plugin().http_stream()
    stream.request(GET)
    assert probe.seen[-1] == ("request_headers", stream.context_id, 4, 1)
    assert stream.upstream.ended


def test_a_module_without_callbacks_lets_everything_pass() -> None:
    probe = Probe(only=[])
    stream = probe.plugin().http_stream()
    assert stream.request(POST, [b"x"], trailers=[("t", "1")]).trailers == [("t", "1")]
    assert stream.response(OK, [b"y"]).body == b"y"
    stream.close()


def test_a_pause_in_the_headers_holds_body_and_trailers_back() -> None:
    probe = Probe(request_headers=lambda *_: PAUSE)
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"one", b"two"], trailers=[("t", "1")])
    assert (stream.request_paused, stream.response_paused) == (True, False)
    assert stream.upstream.headers is None
    assert bodies(probe, "request_body") == []
    assert "request_trailers" not in probe.names()


def test_continuing_paused_headers_shows_the_filter_the_whole_body_at_once() -> None:
    probe = Probe(request_headers=lambda *_: PAUSE)
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(POST, [b"one", b"two"], trailers=[("t", "1")])

    def tick(guest: Guest, _root: int) -> None:
        assert guest.call("proxy_set_effective_context", stream.context_id) == 0
        assert guest.call("proxy_continue_stream", REQUEST) == 0

    probe.on["tick"] = tick
    probe.vm.set_tick_period(plugin.context, 1000)
    probe.clock.advance(1)
    assert bodies(probe, "request_body") == [(6, 0)]
    assert probe.names()[-1] == "request_trailers"
    assert stream.upstream.body == b"onetwo"
    assert stream.upstream.trailers == [("t", "1")]
    assert (stream.request_paused, stream.response_paused) == (False, False)


def test_with_stop_iteration_allowed_the_body_still_comes_and_releases_the_headers() -> None:
    probe = Probe(request_headers=lambda *_: PAUSE)
    stream = probe.plugin(allow_on_headers_stop_iteration=True).http_stream()
    stream.request_headers(POST)
    assert stream.upstream == Message()
    stream.request_body(b"one", end_of_stream=True)
    assert bodies(probe, "request_body") == [(3, 1)]
    assert stream.upstream.headers is not None
    assert stream.upstream.body == b"one"


@pytest.mark.parametrize("side", ["request", "response"])
def test_a_paused_body_is_buffered_and_its_size_grows(side: str) -> None:
    probe = Probe(on={f"{side}_body": lambda _guest, _context, _size, end: 0 if end else PAUSE})
    stream = probe.plugin().http_stream()
    chunks = [b"one", b"two", b"three"]
    stream.request(POST, chunks)
    stream.response(OK, chunks)
    assert bodies(probe, f"{side}_body") == [(3, 0), (6, 0), (11, 1)]
    other = "request" if side == "response" else "response"
    assert bodies(probe, f"{other}_body") == [(3, 0), (3, 0), (5, 1)]
    paused = stream.upstream if side == "request" else stream.downstream
    assert paused.chunks == [b"onetwothree"]


def test_after_continue_the_size_is_that_of_the_new_chunk() -> None:
    answers = iter([PAUSE, Action.CONTINUE, PAUSE, Action.CONTINUE])
    probe = Probe(request_body=lambda *_: next(answers))
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"a", b"bb", b"ccc", b"dddd"])
    assert bodies(probe, "request_body") == [(1, 0), (3, 0), (3, 0), (7, 1)]
    assert stream.upstream.chunks == [b"abb", b"cccdddd"]


def test_the_last_chunk_may_be_empty() -> None:
    probe = Probe()
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"a", b""])
    assert bodies(probe, "request_body") == [(1, 0), (0, 1)]
    assert stream.upstream.ended


def test_with_trailers_no_body_callback_ends_the_stream() -> None:
    probe = Probe()
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"a", b"b"], trailers=[("t", "1")])
    assert bodies(probe, "request_body") == [(1, 0), (1, 0)]


def test_a_body_paused_to_its_end_goes_on_with_the_trailers() -> None:
    probe = Probe(response_body=lambda *_: PAUSE)
    stream = probe.plugin().http_stream()
    stream.request(GET)
    stream.response(OK, [b"a", b"b"], trailers=[("grpc-status", "0")])
    assert stream.downstream.body == b"ab"
    assert stream.downstream.trailers == [("grpc-status", "0")]


def test_paused_trailers_hold_the_buffered_body_until_continued() -> None:
    probe = Probe(request_body=lambda *_: PAUSE, request_trailers=lambda *_: PAUSE)
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(POST, [b"a"], trailers=[("t", "1")])
    assert stream.upstream.body == b""
    resume(probe, stream.context_id, REQUEST)
    assert stream.upstream.body == b"a"
    assert stream.upstream.trailers == [("t", "1")]


def resume(probe: Probe, context: int, side: int) -> None:
    def tick(guest: Guest, _root: int) -> None:
        guest.call("proxy_set_effective_context", context)
        assert guest.call("proxy_continue_stream", side) == 0

    probe.on["tick"] = tick
    probe.vm.set_tick_period(probe.vm.plugins[0].context, 100)
    probe.clock.advance(0.1)


def test_no_buffer_drops_the_chunk() -> None:
    stop_no_buffer = 3
    probe = Probe(request_body=lambda _guest, _context, _size, end: 0 if end else stop_no_buffer)
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"lost", b"kept"])
    assert stream.upstream.body == b"kept"


def test_any_other_answer_of_a_body_callback_is_a_pause_to_the_specification() -> None:
    probe = Probe(quirks=False, request_body=lambda _guest, _context, _size, end: 0 if end else 3)
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"kept", b" too"])
    assert stream.upstream.body == b"kept too"


@pytest.mark.parametrize("answer", [1, 3, 4, 7])
def test_headers_stop_for_every_answer_but_continue(answer: int) -> None:
    probe = Probe(request_headers=lambda *_: answer)
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"x"])
    assert stream.upstream.headers is None


def test_the_filter_can_replace_a_body_while_it_streams() -> None:
    def upper(guest: Guest, _context: int, size: int, _end: int) -> None:
        _status, chunk = guest.body(0)
        assert len(chunk) == size
        assert guest.set_body(0, chunk.upper()) == 0

    stream = Probe(request_body=upper).plugin().http_stream()
    assert stream.request(POST, [b"one", b"two"]).chunks == [b"ONE", b"TWO"]


def test_the_filter_can_replace_a_buffered_body() -> None:
    def at_end(guest: Guest, _context: int, _size: int, end: int) -> int:
        if not end:
            return PAUSE
        assert guest.body(1) == (0, b"onetwo")
        guest.set_body(1, b"rewritten")
        return 0

    stream = Probe(response_body=at_end).plugin().http_stream()
    stream.request(GET)
    assert stream.response(OK, [b"one", b"two"]).body == b"rewritten"


def test_trailers_can_be_added_at_the_end_of_a_body_without_any() -> None:
    def add(guest: Guest, _context: int, _size: int, end: int) -> None:
        assert guest.add(3, b"x-sum", b"1") == (0 if end else 2)

    stream = Probe(response_body=add).plugin().http_stream()
    stream.request(GET)
    back = stream.response(OK, [b"a", b"b"])
    assert back.trailers == [("x-sum", "1")]
    assert back.body == b"ab"


def test_a_local_response_replaces_the_upstream() -> None:
    probe = Probe(request_headers=lambda guest, *_: guest.respond(403, b"no", [(b"X-Why", b"because")]))
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"ignored"])
    assert stream.upstream.headers is None
    assert stream.local_response is not None
    assert stream.downstream.headers == [
        (":status", "403"), ("x-why", "because"), ("content-length", "2"), ("content-type", "text/plain"),
    ]  # fmt: skip
    assert stream.downstream.body == b"no"
    assert stream.downstream.ended
    # Envoy leads the local response through the filter too.
    assert "response_headers" in probe.names()
    assert bodies(probe, "response_body") == [(2, 1)]
    assert bodies(probe, "request_body") == []


def test_what_the_callback_answers_beside_a_local_response_does_not_count() -> None:
    for answer in (Action.CONTINUE, PAUSE):

        def both(guest: Guest, *_: int, answer: int = answer) -> int:
            guest.respond(401)
            return answer

        stream = Probe(request_headers=both).plugin().http_stream()
        stream.request(GET)
        assert stream.upstream.headers is None
        assert stream.downstream.status == 401


def test_a_local_response_in_the_request_body_comes_before_anything_was_sent() -> None:
    def refuse(guest: Guest, *_: int) -> int:
        return guest.respond(413, b"too much")

    stream = Probe(request_body=refuse).plugin().http_stream()
    stream.request(POST, [b"a", b"b"])
    assert stream.downstream.status == 413
    assert stream.upstream.body == b""


def test_a_local_response_in_response_headers_replaces_the_response_directly() -> None:
    probe = Probe(response_headers=lambda guest, *_: guest.respond(502, b"hidden"))
    stream = probe.plugin().http_stream()
    stream.request(GET)
    stream.response(OK, [b"secret"])
    assert stream.downstream.status == 502
    assert stream.downstream.body == b"hidden"
    assert probe.names().count("response_headers") == 1


def test_a_local_response_after_the_response_began_resets_the_stream() -> None:
    probe = Probe(response_body=lambda guest, *_: guest.respond(500))
    stream = probe.plugin().http_stream()
    stream.request(GET)
    stream.response(OK, [b"a", b"b"])
    assert stream.reset == "local_reply_after_headers"
    assert stream.downstream.body == b""


def test_a_second_local_response_is_dropped_and_said() -> None:
    def twice(guest: Guest, *_: int) -> None:
        guest.respond(401)
        guest.respond(500)

    probe = Probe(request_headers=twice)
    stream = probe.plugin().http_stream()
    stream.request(GET)
    assert stream.downstream.status == 401
    assert "a second local response was dropped" in probe.host.messages()


def test_a_local_response_to_grpc_is_grpc() -> None:
    headers = [*POST[:3], ("content-type", "application/grpc")]
    stream = (
        Probe(request_headers=lambda guest, *_: guest.respond(403, b"not you, 100%")).plugin().http_stream()
    )
    stream.request(headers)
    assert stream.downstream.headers == [
        (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7"),
        ("grpc-message", "not you, 100%25"),
    ]  # fmt: skip
    stream = Probe(request_headers=lambda guest, *_: guest.respond(200, grpc=8)).plugin().http_stream()
    stream.request(headers)
    assert stream.downstream.headers is not None
    assert stream.downstream.headers["grpc-status"] == b"8"


def test_a_local_response_to_head_has_no_body() -> None:
    stream = Probe(request_headers=lambda guest, *_: guest.respond(200, b"body")).plugin().http_stream()
    stream.request([(":method", "HEAD"), *GET[1:]])
    assert stream.downstream.body == b""
    assert stream.downstream.headers is not None
    assert stream.downstream.headers["content-length"] == b"4"


def test_close_stream_resets() -> None:
    probe = Probe(request_headers=lambda guest, *_: guest.call("proxy_close_stream", REQUEST))
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"x"])
    assert stream.reset == "wasm_close_stream"
    assert stream.upstream.headers is None
    with pytest.raises(StreamStateError, match="reset"):
        stream.response(OK)


def test_too_large_a_paused_body_is_answered_by_envoy_itself() -> None:
    probe = Probe(request_body=lambda *_: PAUSE, response_body=lambda *_: PAUSE)
    plugin = probe.plugin()
    stream = plugin.http_stream(buffer_limit=4)
    stream.request(POST, [b"abc", b"def", b"g"])
    assert stream.downstream.status == 413
    assert bodies(probe, "request_body") == [(3, 0)]
    stream = plugin.http_stream(buffer_limit=4)
    stream.request(GET)
    stream.response(OK, [b"abc", b"def"])
    # The headers were out already.
    assert stream.reset == "local_reply_after_headers"


@pytest.mark.parametrize("gone", [":method", ":path"])
def test_a_request_without_what_nothing_goes_without_is_refused(gone: str) -> None:
    def remove(guest: Guest, *_: int) -> None:
        guest.remove(0, gone.encode())

    stream = Probe(request_headers=remove).plugin().http_stream()
    stream.request(GET)
    assert stream.upstream.headers is None
    assert stream.downstream.status == 503
    assert stream.downstream.body == f"missing required header: {gone}".encode()


def test_a_response_without_status_is_refused() -> None:
    def remove(guest: Guest, *_: int) -> None:
        guest.remove(2, b":status")

    stream = Probe(response_headers=remove).plugin().http_stream()
    stream.request(GET)
    stream.response(OK, [b"x"])
    assert stream.downstream.status == 502


def test_the_conversation_has_an_order() -> None:
    stream = Probe().plugin().http_stream()
    with pytest.raises(StreamStateError, match="request headers come first"):
        stream.request_body(b"x")
    with pytest.raises(StreamStateError, match="not reached the upstream"):
        stream.response_headers(OK)
    stream.request(GET)
    with pytest.raises(StreamStateError, match="the request has ended"):
        stream.request_body(b"x")
    with pytest.raises(StreamStateError, match="sent before"):
        stream.request_headers(GET)
    with pytest.raises(StreamStateError, match="response headers come first"):
        stream.response_body(b"x")
    stream.close()
    stream.close()
    with pytest.raises(ClosedError):
        stream.response_headers(OK)


def test_a_stream_without_any_event_leaves_no_trace() -> None:
    probe = Probe()
    plugin = probe.plugin()
    probe.forget()
    plugin.http_stream().close()
    assert probe.seen == []
    assert plugin.streams == {}


def test_done_is_waited_for_by_the_specification_only() -> None:
    for quirks, after_done in ((True, ["log", "done", "delete"]), (False, ["done"])):
        probe = Probe(quirks=quirks, done=lambda *_: 0)
        plugin = probe.plugin()
        stream = plugin.http_stream()
        stream.request(GET)
        probe.forget()
        stream.close()
        assert probe.names() == after_done
        if not quirks:
            finish(probe, stream.context_id)
            assert probe.names() == ["done", "tick", "log", "delete"]


def finish(probe: Probe, context: int) -> None:
    def tick(guest: Guest, _root: int) -> None:
        guest.call("proxy_set_effective_context", context)
        assert guest.call("proxy_done") == 0
        assert guest.call("proxy_set_tick_period_milliseconds", 0) == 0

    probe.on["tick"] = tick
    probe.vm.set_tick_period(probe.vm.plugins[0].context, 100)
    probe.clock.advance(0.1)


def test_actions_are_kept_for_reports() -> None:
    probe = Probe(request_body=lambda _guest, _context, _size, end: 0 if end else PAUSE)
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"a", b"b"])
    assert stream.actions == [
        ("proxy_on_request_headers", 0),
        ("proxy_on_request_body", 1),
        ("proxy_on_request_body", 0),
    ]


def test_metadata_callbacks_of_envoy() -> None:
    probe = Probe()
    stream = probe.plugin().http_stream()
    stream.request_headers(POST)
    stream.request_metadata(2)
    stream.response_headers(OK)
    stream.response_metadata(1)
    assert ("request_metadata", stream.context_id, 2) in probe.seen
    assert ("response_metadata", stream.context_id, 1) in probe.seen


def test_modules_of_0_1_0_get_no_end_of_stream_with_headers() -> None:
    from proxy_wasm_host import AbiVersion  # noqa: PLC0415 -- used once

    probe = Probe(abi=AbiVersion.V0_1_0)
    stream = probe.plugin().http_stream()
    stream.request(GET)
    stream.response(OK)
    assert ("request_headers", stream.context_id, 4) in probe.seen
    assert ("response_headers", stream.context_id, 2) in probe.seen


def test_streams_do_not_mix() -> None:
    probe = Probe(request_body=lambda *_: PAUSE)
    plugin = probe.plugin()
    streams: list[Any] = [plugin.http_stream() for _ in range(3)]
    for number, stream in enumerate(streams):
        stream.request_headers(POST)
        stream.request_body(bytes([65 + number]))
    for stream in streams:
        resume(probe, stream.context_id, REQUEST)
    assert [stream.upstream.body for stream in streams] == [b"A", b"B", b"C"]
    for stream in streams:
        stream.close()
    assert list(probe.vm.contexts) == [plugin.context.id]
