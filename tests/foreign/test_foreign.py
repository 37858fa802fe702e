"""Modules that other SDKs made run in the host, and do what they were written to do.

All are the same filter: it names its language and its configuration in the request, drops `x-secret`, asks a
cluster where the request has `x-ask`, marks the response's headers and body, and counts its ticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_wasm_host import Host, HttpCall, HttpReply, LogLevel, Module, Plugin, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.foreign.conftest import Foreign

REQUEST = [
    (":method", "GET"),
    (":path", "/"),
    (":authority", "example.com"),
    ("x-secret", "1"),
    ("accept", "*/*"),
]
RESPONSE = [(":status", "200"), ("content-length", "11"), ("content-type", "text/plain")]

pytestmark = pytest.mark.timeout(600)  # the first run on a machine compiles Rust's standard library


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def host(clock: VirtualClock) -> Iterator[Host]:
    with Host(clock=clock) as host:
        yield host


@pytest.fixture
def plugin(host: Host, foreign: Foreign) -> Plugin:
    vm = host.vm(Module.load(foreign.module))
    return vm.plugin(name="foreign", root_id="foreign", configuration="täglich")


def test_request_headers_are_edited_with_the_configuration(plugin: Plugin, foreign: Foreign) -> None:
    headers = plugin.http_stream().request(REQUEST).headers
    assert headers
    assert headers.text("x-language") == foreign.language
    assert headers.text("x-configuration") == "täglich"
    assert headers.first(b"x-secret") is None
    assert headers.text("accept") == "*/*"


def test_a_body_in_chunks_is_replaced_at_its_end(plugin: Plugin, foreign: Foreign) -> None:
    stream = plugin.http_stream()
    stream.request(REQUEST)
    client = stream.response(RESPONSE, [b"hello ", b"wor", b"ld"])
    assert client.body == f"[{foreign.language}] hello world".encode()
    assert client.ended
    assert client.headers
    assert client.headers.first(b"content-length") is None
    assert client.headers.text("x-filtered") == foreign.language


def test_a_call_out_holds_the_request_until_it_is_answered(
    host: Host, clock: VirtualClock, plugin: Plugin
) -> None:
    asked: list[HttpCall] = []

    def oracle(call: HttpCall) -> HttpReply:
        asked.append(call)
        return HttpReply(body=b"42", after=0.25)

    host.cluster("oracle", oracle)
    stream = plugin.http_stream()
    so_far = stream.request([*REQUEST, ("x-ask", "the question")])
    assert stream.request_paused
    assert so_far.headers is None
    clock.advance(0.25)
    assert (asked[0].method, asked[0].path, asked[0].body) == ("POST", "/ask", b"the question")
    upstream = stream.upstream
    assert upstream.headers
    assert upstream.headers.text("x-answer") == "42"
    assert upstream.ended


@pytest.mark.usefixtures("plugin")
def test_ticks_come_by_the_period_that_was_asked_for(host: Host, clock: VirtualClock) -> None:
    clock.advance(0.999)
    assert host.metrics["foreign_ticks"] == 0
    clock.advance(3.001)
    assert host.metrics["foreign_ticks"] == 4


def test_streams_come_and_go_and_leave_nothing_behind(host: Host, plugin: Plugin) -> None:
    for number in range(500):
        with plugin.http_stream() as stream:
            headers = stream.request([*REQUEST, ("x-number", str(number))]).headers
            assert headers
            assert headers.text("x-number") == str(number)
            assert stream.response(RESPONSE, [b"hello world"]).status == 200
    assert host.messages(LogLevel.ERROR) == []
