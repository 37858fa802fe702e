from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_wasm import Action, Counter, HttpContext, PluginContext, log
from proxy_wasm_host import FailurePolicy, Host, HttpReply, LogLevel, Module, ModuleTrapped
from proxy_wasm_host.capture import Exchange, Message, load_capture
from proxy_wasm_host.replay import Outcome, differences, header_changes, replay, sendable

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_wasm_host import Plugin

SEEN = Counter("seen")


class Filter(HttpContext):
    """Does a little of everything, by path."""

    async def on_request_headers(self, _num_headers: int, _end_of_stream: bool) -> Action | None:
        path = self.request_headers.text[":path"]
        SEEN.increment()
        log.info(f"saw {path}")
        self.request_headers["x-seen"] = "1"
        if path == "/secret":
            self.send_response(403, body=b"no")
        if path == "/ask":
            answer = await self.http_call("auth", path="/check")
            self.request_headers["x-auth"] = str(answer.status)
        return Action.PAUSE if path == "/forever" else None

    def on_response_body(self, _body_size: int, end_of_stream: bool) -> Action | None:
        if not end_of_stream:
            return Action.PAUSE
        self.response_body.replace(self.response_body.read().upper())
        return None


class Filters(PluginContext):
    http_context = Filter


class Nothing(PluginContext):
    http_context = HttpContext


def exchange(
    path: str = "/", *chunks: bytes, method: str = "GET", status: int = 200, **extra: str
) -> Exchange:
    headers = tuple((name.encode(), value.encode()) for name, value in extra.items())
    return Exchange(
        Message(
            (
                (b":authority", b"a"),
                (b":path", path.encode()),
                (b":method", method.encode()),
                (b":scheme", b"http"),
            )
        ),
        Message(((b":status", b"%d" % status), *headers), chunks),
    )


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def plugin(host: Host) -> Plugin:
    return host.native_vm(Filters).plugin("filter")


def one(plugin: Plugin, wanted: Exchange, chunk_size: int | None = None) -> Outcome:
    (outcome,) = replay(plugin, [wanted], chunk_size=chunk_size)
    return outcome


def test_an_outcome_has_what_each_side_saw(plugin: Plugin) -> None:
    outcome = one(plugin, exchange("/a", b"he", b"llo"))
    assert outcome.upstream is not None
    assert outcome.upstream.get(b"x-seen") == b"1"
    assert outcome.client == Message(((b":status", b"200"),), (b"HELLO",))
    assert outcome.status == 200
    assert outcome.failure is None
    assert [name for name, _ in outcome.actions] == [
        "proxy_on_request_headers",
        "proxy_on_response_body",
        "proxy_on_response_body",
    ]


def test_logs_and_metrics_are_those_of_the_one_stream_and_the_host_keeps_all(
    plugin: Plugin, host: Host
) -> None:
    first, second = replay(plugin, [exchange("/a"), exchange("/b")])
    assert [line for _, line in first.logs if "saw" in line] == [
        line for line in host.messages() if "/a" in line
    ]
    assert any("saw /b" in line and level is LogLevel.INFO for level, line in second.logs)
    assert dict(second.metrics) == {"seen": 1}
    assert host.metrics["seen"] == 2


def test_a_local_response_never_reaches_the_upstream(plugin: Plugin) -> None:
    outcome = one(plugin, exchange("/secret", b"x"))
    assert outcome.upstream is None
    assert outcome.status == 403
    assert outcome.client is not None
    assert outcome.client.content == b"NO"
    assert outcome.local_response is not None


def test_a_request_that_is_never_let_go_is_a_failure_with_words(plugin: Plugin) -> None:
    outcome = one(plugin, exchange("/forever"))
    assert outcome.failure == "the filter holds the request back for ever"
    assert outcome.client is None


def test_call_outs_are_answered_by_the_hosts_clusters(plugin: Plugin, host: Host) -> None:
    host.cluster("auth", HttpReply(204, after=3))
    outcome = one(plugin, exchange("/ask"))
    assert outcome.upstream is not None
    assert outcome.upstream.get(b"x-auth") == b"204"


def test_a_call_out_nobody_answers_times_out_instead_of_hanging(plugin: Plugin, host: Host) -> None:
    host.cluster("auth")
    outcome = one(plugin, exchange("/ask"))
    assert outcome.upstream is not None
    assert outcome.upstream.get(b"x-auth") == b"504"


def test_without_a_recorded_response_only_the_request_is_sent(plugin: Plugin) -> None:
    wanted = exchange("/a")
    outcome = one(plugin, Exchange(wanted.request))
    assert outcome.upstream is not None
    assert outcome.client is None
    assert outcome.failure is None


def test_bodies_are_cut_as_asked(plugin: Plugin) -> None:
    outcome = one(plugin, exchange("/a", b"abcdefg"), chunk_size=3)
    assert outcome.exchange.response is not None
    assert outcome.exchange.response.body == (b"abc", b"def", b"g")
    assert sum(name == "proxy_on_response_body" for name, _ in outcome.actions) == 3


def test_a_length_that_does_not_fit_is_put_right() -> None:
    wanted = Message(((b":status", b"200"), (b"content-length", b"99")), (b"abc",))
    response = sendable(Exchange(exchange().request, wanted)).response
    assert response is not None
    assert response.get(b"content-length") == b"3"
    trailed = Message(wanted.headers, (b"abc",), ((b"x", b"y"),))
    response = sendable(Exchange(exchange().request, trailed)).response
    assert response is not None
    assert response.get(b"content-length") is None


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_an_answer_that_must_not_have_a_body_has_none(method: str, status: int) -> None:
    wanted = exchange("/", b"abc", method=method, status=status, **{"content-length": "3"})
    response = sendable(wanted).response
    assert response is not None
    assert response.body == ()
    assert response.get(b"content-length") == b"3"


def test_what_a_proxy_adds_makes_no_difference() -> None:
    wanted = exchange("/", b"x")
    request, response = wanted.request, wanted.response
    assert response is not None
    added = Message(
        (*request.headers[:3], (b"x-request-id", b"1"), (b"x-forwarded-proto", b"http"), (b"x-envoy-a", b""))
    )
    dated = Message(
        (*response.headers, (b"date", b"now"), (b"server", b"envoy"), (b"content-length", b"0")), (b"", b"x")
    )
    assert differences(Outcome(wanted, request, response), Outcome(wanted, added, dated)) == []


def test_differences_are_named() -> None:
    wanted = exchange("/", b"abc")
    request, response = wanted.request, wanted.response
    assert response is not None
    other = Message((*response.headers, (b"x", b"1")), (b"abd", b"e"))
    assert differences(Outcome(wanted, request, response), Outcome(wanted, None, other)) == [
        "upstream: a message with 3 headers and 0 bytes against nothing",
        "client: header +x none -> '1'",
        "client: body of 3 bytes against 4, from byte 2",
    ]


def test_header_changes_have_signs() -> None:
    before = ((b"a", b"1"), (b"b", b"1"), (b"c", b"1"))
    after = ((b"b", b"2"), (b"c", b"1"), (b"d", b"1"))
    assert header_changes(before, after) == ["-a", "~b", "+d"]


TRAPPING = """(module (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
  (func (export "proxy_on_context_create") (param i32 i32))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) unreachable))"""


def test_a_trap_is_in_the_outcome_and_the_next_stream_has_a_new_vm(host: Host) -> None:
    vm = host.vm(Module.from_wat(TRAPPING), failure_policy=FailurePolicy.FAIL_RELOAD, reload_seconds=0.0)
    outcomes = list(replay(vm.plugin("filter"), [exchange(), exchange()]))
    assert [outcome.status for outcome in outcomes] == [503, 503]
    assert all("trapped" in str(outcome.failure) for outcome in outcomes)


def test_a_trap_is_raised_where_the_policy_says_so(host: Host) -> None:
    plugin = host.vm(Module.from_wat(TRAPPING)).plugin("filter")
    with pytest.raises(ModuleTrapped):
        list(replay(plugin, [exchange()]))


def test_published_captures_go_through_untouched_by_a_filter_that_does_nothing(
    host: Host, har_files: dict[str, Path]
) -> None:
    plugin = host.native_vm(Nothing).plugin("filter")
    for file in har_files.values():
        for outcome in replay(plugin, load_capture(file)):
            recorded = Outcome(outcome.exchange, outcome.exchange.request, outcome.exchange.response)
            assert differences(recorded, outcome) == []
            assert outcome.failure is None
