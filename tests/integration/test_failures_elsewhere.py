"""Exceptions where no HTTP request is on its way: answers to call-outs, trailers, ticks, configuration, TCP."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

import grpc
import pytest

from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy.testing import HttpUpstream, request
from leaksignal_wasm.envoy_config import (
    WasmPlugin,
    bootstrap,
    cluster,
    http_listener,
    http_wasm_filter,
    route,
)
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = ["http_call", "grpc_call"]
TCP_CALLBACKS = ["on_new_connection", "on_downstream_data", "on_upstream_data"]
TCP_ENDS = [
    "on_downstream_connection_close",
    "on_upstream_connection_close",
    "on_done",
    "on_log",
    "on_delete",
]


@pytest.mark.parametrize(("mode", "status"), [("closed", 500), ("open", 200)])
@pytest.mark.parametrize("call", CALLS)
def test_the_answer_to_a_call_out(
    envoy: EnvoyProcess, upstream: HttpUpstream, call: str, mode: str, status: int
) -> None:
    since = len(envoy.log_lines())
    reply = request(envoy, "POST", listener=mode, body=b"data", headers={"x-probe": f"raise:{call}"})
    assert reply.status == status
    assert (b"data" in [seen.body for seen in upstream.requests]) is (mode == "open")
    envoy.wait_for_log(f"ordered to fail in {call}", since=since)
    assert request(envoy, listener=mode).status == 200


def test_trailers_of_a_response_that_fails_open(envoy: EnvoyProcess) -> None:
    since = len(envoy.log_lines())
    with grpc.insecure_channel(f"127.0.0.1:{envoy.port('grpc-open')}") as channel:
        unary: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/test.Echo/Unary")
        order = (("x-probe", "raise:on_response_trailers"),)
        answer, call = unary.with_call(b"x", metadata=order, timeout=30)
    assert answer == b"x"
    assert dict(call.trailing_metadata())["x-upstream"] == "done"
    envoy.wait_for_log("ordered to fail in on_response_trailers", since=since)


@pytest.mark.parametrize(("mode", "status"), [("closed", b"500"), ("open", b"200")])
def test_trailers_of_a_request(envoy: EnvoyProcess, upstream: HttpUpstream, mode: str, status: bytes) -> None:
    since = len(envoy.log_lines())
    with socket.create_connection(("127.0.0.1", envoy.port(mode)), timeout=30) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nhost: a\r\nx-probe: raise:on_request_trailers\r\nte: trailers\r\n"
            b"transfer-encoding: chunked\r\n\r\n4\r\ndata\r\n0\r\nx-end: 1\r\n\r\n"
        )
        assert client.recv(12) == b"HTTP/1.1 " + status
    envoy.wait_for_log("ordered to fail in on_request_trailers", since=since)
    assert [seen.body for seen in upstream.requests] == ([b"data"] if mode == "open" else [])


def test_a_second_local_response_is_refused_before_envoy_hears_of_it(
    envoy: EnvoyProcess, upstream: HttpUpstream
) -> None:
    since = len(envoy.log_lines())
    reply = request(envoy, listener="closed", headers={"x-probe": "local-twice"})
    assert (reply.status, reply.body) == (418, b"first")
    envoy.wait_for_log("refused: ", since=since)
    assert upstream.requests == []
    assert request(envoy, listener="closed").status == 200


def talk(envoy: EnvoyProcess, mode: str, callback: str) -> bytes:
    """Order the next TCP connection to fail, and return what it gets back of what it says."""
    assert request(envoy, listener=mode, headers={"x-probe": f"tcp:raise:{callback}"}).status == 200
    with socket.create_connection(("127.0.0.1", envoy.port(f"tcp-{mode}")), timeout=30) as client:
        try:
            client.sendall(b"hello")
            return client.recv(100)
        except ConnectionError:  # closed with our bytes unread
            return b""


@pytest.mark.parametrize(("mode", "echo"), [("closed", b""), ("open", b"hello")])
@pytest.mark.parametrize("callback", TCP_CALLBACKS)
def test_a_connection(
    envoy: EnvoyProcess, upstream: HttpUpstream, callback: str, mode: str, echo: bytes
) -> None:
    since = len(envoy.log_lines())
    assert talk(envoy, mode, callback) == echo
    assert f"probe-{mode}" in envoy.wait_for_log(f"ordered to fail in {callback}", since=since).message
    assert talk(envoy, mode, "nowhere") == b"hello"
    assert upstream.requests


@pytest.mark.parametrize("mode", ["closed", "open"])
@pytest.mark.parametrize("callback", TCP_ENDS)
def test_the_end_of_a_connection(
    envoy: EnvoyProcess, upstream: HttpUpstream, callback: str, mode: str
) -> None:
    since = len(envoy.log_lines())
    assert talk(envoy, mode, callback) == b"hello"
    envoy.wait_for_log(f"ordered to fail in {callback}", since=since)
    assert talk(envoy, mode, "nowhere") == b"hello"
    assert upstream.requests


@pytest.mark.parametrize("mode", ["closed", "open"])
def test_a_plugin_that_fails_to_start_is_refused_and_one_that_fails_to_tick_serves(
    probe_plugin: Callable[..., WasmPlugin], upstream: HttpUpstream, mode: str
) -> None:
    def listener(plugin: WasmPlugin) -> dict[str, object]:
        return http_listener("main", routes=[route("http")], filters=[http_wasm_filter(plugin)])

    ticking = probe_plugin(mode, generation="1", tick=0.1, **{"raise": "on_tick"})
    config = bootstrap(listeners=[listener(ticking)], clusters=[cluster("http", "127.0.0.1", upstream.port)])
    with EnvoyProcess(config, reloadable=True) as envoy:
        envoy.wait_for_log("configured to fail in on_tick")
        since = len(envoy.log_lines())
        envoy.wait_for_log("configured to fail in on_tick", since=since)  # and goes on to tick
        for refused in (
            probe_plugin(mode, **{"raise": "on_configure"}),
            replace(ticking, vm_configuration="on_vm_start"),
        ):
            with pytest.raises(UserError, match="rejected"):
                envoy.reload([listener(refused)])
            envoy.wait_for_log(r"configured to fail in on_(configure|vm_start)", since=since)
            assert request(envoy, listener="main").status == 200
            assert upstream.requests[-1].headers["x-generation"] == "1"
        assert envoy.stats("python.exceptions")[f"wasmcustom.python.exceptions.probe-{mode}"] >= 2
