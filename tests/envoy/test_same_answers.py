"""The host answers every call in every phase as a real Envoy does."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest
import wasmtime
from tests.proxy_wasm_host.ledger import explain, ledger_wat, read_line

from leaksignal_wasm.envoy.testing import Answer, HttpUpstream, request
from leaksignal_wasm.envoy_config import cluster
from proxy_wasm_host import Host, HttpReply, Module, Plugin, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ledger") / "ledger.wasm"
    path.write_bytes(wasmtime.wat2wasm(ledger_wat()))
    return path


def lines(messages: Iterable[str]) -> dict[str, str]:
    """The first line of each callback."""
    found: dict[str, str] = {}
    for message in messages:
        entry = read_line(message)
        if entry is not None:
            found.setdefault(*entry)
    return found


def in_host(ledger: Path) -> tuple[Host, Plugin, VirtualClock]:
    clock = VirtualClock()
    host = Host(clock)
    host.cluster("auth", HttpReply(200, b"hello", [("x-b", "1")]))
    return host, host.vm(Module.load(ledger)).plugin("filter", "filter"), clock


def test_http_phases(start_envoy: Any, ledger: Path, upstream: HttpUpstream) -> None:
    upstream.respond = lambda _: Answer(status=200, body=b"hello", headers=[("x-b", "1")])
    envoy = start_envoy(ledger, clusters=[cluster("auth", upstream.address.host, upstream.address.port)])
    envoy.wait_for_log("proxy_on_http_call_response")
    request(envoy, "POST", "/a?b=c", body=b"hello", headers={"x-a": "1"})
    envoy.wait_for_log("proxy_on_delete")
    theirs = lines(line.message for line in envoy.log_lines())

    host, plugin, clock = in_host(ledger)
    clock.advance(1)
    with plugin.http_stream() as stream:
        headers = [
            (":method", "POST"), (":path", "/a?b=c"), (":authority", "a"), (":scheme", "http"), ("x-a", "1"),
            ("content-length", "5"), ("x-request-id", "1"),
        ]  # fmt: skip
        # HTTP/1.1 ends a body of known length by an empty chunk.
        stream.request(headers, [b"hello", b""])
        stream.response([(":status", "200"), ("x-b", "1")], [b"hello", b""])
    assert explain(lines(host.messages()), theirs) == []


def test_tcp_phases(start_envoy: Any, ledger: Path, upstream: HttpUpstream) -> None:
    upstream.respond = lambda _: Answer(status=200, body=b"hello")
    envoy = start_envoy(
        ledger, tcp=True, clusters=[cluster("auth", upstream.address.host, upstream.address.port)]
    )
    envoy.wait_for_log("proxy_on_http_call_response")
    with socket.create_connection(("127.0.0.1", envoy.port())) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while connection.recv(4096):
            pass
    envoy.wait_for_log("proxy_on_delete")
    theirs = lines(line.message for line in envoy.log_lines())

    host, plugin, clock = in_host(ledger)
    clock.advance(1)
    with plugin.tcp_stream() as stream:
        stream.downstream_data(b"GET / HTTP/1.0\r\n\r\n")
        stream.upstream_data(b"HTTP/1.0 200 OK\r\n\r\nhello", end_of_stream=False)
        stream.upstream_data(b"", end_of_stream=True)
    assert explain(lines(host.messages()), theirs) == []
