"""Waiting for other services inside a real Envoy."""

from __future__ import annotations

import socket
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
import pytest

from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy.testing import Answer, HttpUpstream, Received, request, serve_http
from leaksignal_wasm.envoy.upstream import serve_tcp_echo
from leaksignal_wasm.envoy_config import (
    WasmPlugin,
    bootstrap,
    cluster,
    http_listener,
    http_wasm_filter,
    network_wasm_filter,
    route,
    tcp_listener,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("sdk-in-envoy")]
FILTER = Path(__file__).parent / "calling.py"


class Echo(grpc.GenericRpcHandler):
    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        if details.method == "/test.Echo/Unary":
            return grpc.unary_unary_rpc_method_handler(lambda message, _context: message)
        return grpc.stream_stream_rpc_method_handler(lambda messages, _context: iter(messages))


@pytest.fixture(scope="module")
def _server() -> Iterator[HttpUpstream]:
    with serve_http() as server:
        yield server


@pytest.fixture(scope="module")
def grpc_port() -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.fixture(scope="module")
def tcp_port() -> Iterator[int]:
    with serve_tcp_echo() as echo:
        yield echo.port


@pytest.fixture(scope="module")
def envoy(
    _server: HttpUpstream, grpc_port: int, tcp_port: int, build_filter: Callable[..., Path]
) -> Iterator[EnvoyProcess]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses, and nobody else gets it
        plugin = WasmPlugin(build_filter(FILTER.read_text()), name="calling")
        config = bootstrap(
            listeners=[
                http_listener("ingress", routes=[route("http")], filters=[http_wasm_filter(plugin)]),
                tcp_listener("tcp", cluster="tcp", filters=[network_wasm_filter(plugin)]),
            ],
            clusters=[
                cluster("http", "127.0.0.1", _server.port),
                cluster("grpc", "127.0.0.1", grpc_port, http2=True),
                cluster("tcp", "127.0.0.1", tcp_port),
                cluster("nowhere", "127.0.0.1", taken.getsockname()[1]),
            ],
        )
        with EnvoyProcess(config) as process:
            yield process


@pytest.fixture
def upstream(_server: HttpUpstream) -> HttpUpstream:
    _server.reset()
    return _server


def final(upstream: HttpUpstream) -> Received:
    """The request that was held; the others are the filter's own calls."""
    return next(seen for seen in upstream.requests if "x-do" in seen.headers)


@pytest.mark.parametrize(
    ("do", "header", "value"),
    [
        ("auth", "x-auth", "200"),
        ("gather", "x-got", "200 two 200"),
        ("stream", "x-got", "ab0"),
        ("nowhere", "x-got", "503"),
        ("callback", "x-got", "200"),
    ],
)
def test_the_request_waits_and_goes_on(
    envoy: EnvoyProcess, upstream: HttpUpstream, do: str, header: str, value: str
) -> None:
    reply = request(envoy, "POST", body=[b"one ", b"two"], headers={"x-do": do})
    assert reply.status == 200
    assert final(upstream).headers[header] == value
    assert final(upstream).body == b"ONE TWO"


def test_a_denied_request_goes_no_further(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    reply = request(envoy, "POST", body=b"data", headers={"x-do": "deny"})
    assert (reply.status, reply.body) == (403, b"denied")
    assert [seen.path for seen in upstream.requests] == ["/auth"]


@pytest.mark.parametrize("do", ["fail", "response-fail"])
def test_an_exception_after_the_wait_is_answered(
    envoy: EnvoyProcess, upstream: HttpUpstream, do: str
) -> None:
    since = len(envoy.log_lines())
    assert request(envoy, headers={"x-do": do}).status == 500
    envoy.wait_for_log("ValueError: after the wait", since=since)
    assert request(envoy).status == 200
    assert upstream.requests


def test_the_response_waits_too(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    upstream.respond = lambda seen: Answer(body=b"auth" if seen.path == "/auth" else b"body")
    reply = request(envoy, headers={"x-do": "response"})
    assert reply.headers["x-status"] == "200"
    assert reply.body == b"body!"


def test_a_client_that_leaves_while_its_request_waits_leaves_nothing(
    envoy: EnvoyProcess, upstream: HttpUpstream
) -> None:
    since = len(envoy.log_lines())
    entered = futures.Future[None]()
    left = futures.Future[None]()

    def slow(seen: Received) -> Answer:
        if seen.path == "/auth":
            entered.set_result(None)
            left.result(timeout=30)
        return Answer()

    upstream.respond = slow
    with socket.create_connection(("127.0.0.1", envoy.port("ingress"))) as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nx-do: auth\r\n\r\n")
        entered.result(timeout=30)
    envoy.wait_for_log("gone: auth", since=since)
    left.set_result(None)
    assert request(envoy).status == 200
    assert not [line for line in envoy.log_lines()[since:] if "Traceback" in line.message]


def talk(envoy: EnvoyProcess, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", envoy.port("tcp")), timeout=30) as client:
        client.sendall(data)
        try:
            return client.recv(100)
        except ConnectionResetError:  # closed with our bytes unread
            return b""


def test_a_connection_waits_for_its_gate(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    since = len(envoy.log_lines())
    assert talk(envoy, b"hello") == b"HELLO!"
    envoy.wait_for_log("closed by (LOCAL|REMOTE)", since=since)
    assert [seen.path for seen in upstream.requests] == ["/gate"]


def test_a_closed_gate_and_a_failing_filter_end_the_connection(
    envoy: EnvoyProcess, upstream: HttpUpstream
) -> None:
    assert talk(envoy, b"fail") == b""
    upstream.respond = lambda _: Answer(403)
    assert talk(envoy, b"hello") == b""
