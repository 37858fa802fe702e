"""One Envoy with the probe filter, in front of a real HTTP/1.1 server and a real gRPC server."""

from __future__ import annotations

import socket
from concurrent import futures
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import grpc
import pytest

from leaksignal_wasm.builder import build
from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy.testing import HttpUpstream, serve_http
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
    from collections.abc import Iterator

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests of this folder start Envoy, and share one: they run on one worker."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.envoy)
            item.add_marker(pytest.mark.xdist_group("integration"))


@pytest.fixture(scope="session")
def probe_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("probe") / "probe.wasm"
    build(HERE / "probe.py", output=output)
    return output


@pytest.fixture(scope="session")
def _server() -> Iterator[HttpUpstream]:
    with serve_http() as server:
        yield server


@pytest.fixture
def upstream(_server: HttpUpstream) -> HttpUpstream:
    """The HTTP/1.1 server behind Envoy; echoes unless told otherwise."""
    _server.reset()
    return _server


class _Echo(grpc.GenericRpcHandler):
    """Speaks bytes: `/test.Echo/Unary` answers with what it got, `/test.Echo/Stream` with each message as it comes."""

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        if details.method == "/test.Echo/Unary":
            return grpc.unary_unary_rpc_method_handler(self._unary)
        if details.method == "/test.Echo/Stream":
            return grpc.stream_stream_rpc_method_handler(self._stream)
        return None

    @staticmethod
    def _unary(message: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("x-upstream", "done"),))
        return message

    @staticmethod
    def _stream(messages: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        context.set_trailing_metadata((("x-upstream", "done"),))
        yield from messages


@pytest.fixture(scope="session")
def grpc_port() -> Iterator[int]:
    server = grpc.server(futures.ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((_Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None).wait()


@pytest.fixture(scope="session")
def echo_port() -> Iterator[int]:
    """A TCP server that sends back what it gets, and so says nothing that is HTTP."""
    with serve_tcp_echo() as echo:
        yield echo.port


class RawUpstream:
    """A TCP server for one connection at a time, which the test itself speaks for."""

    def __init__(self, listening: socket.socket) -> None:
        self.port: int = listening.getsockname()[1]
        self._listening = listening

    def accept(self) -> socket.socket:
        """Take the next connection."""
        connection, _ = self._listening.accept()
        connection.settimeout(30)
        return connection


@pytest.fixture(scope="session")
def raw_upstream() -> Iterator[RawUpstream]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield RawUpstream(listening)


def _with_metadata(listener: dict[str, Any]) -> dict[str, Any]:
    """Let METADATA frames of HTTP/2, an extension of Envoy's, in."""
    manager = listener["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http2_protocol_options"] = {"allow_metadata": True}
    return listener


class ProbePlugin(Protocol):
    def __call__(self, mode: str, **settings: object) -> WasmPlugin: ...


@pytest.fixture(scope="session")
def probe_plugin(probe_module: Path) -> ProbePlugin:
    """Makes the plugin's part of a configuration."""

    def make(mode: str, **settings: object) -> WasmPlugin:
        return WasmPlugin(
            probe_module, name=f"probe-{mode}", configuration={"failure_mode": mode, **settings}
        )

    return make


@pytest.fixture(scope="session")
def envoy(
    probe_plugin: ProbePlugin,
    _server: HttpUpstream,
    grpc_port: int,
    echo_port: int,
    raw_upstream: RawUpstream,
) -> Iterator[EnvoyProcess]:
    """Start one Envoy for all.

    Listeners `closed` and `open`, by failure mode, and `small`, of little buffer, lead to the HTTP/1.1 server; `grpc`
    and `grpc-open` to the gRPC server, `tcp-closed` and `tcp-open` to the echo, `raw` (CONNECT and web sockets too) to what
    the test itself answers.
    """
    connect = {
        "match": {"connect_matcher": {}},
        "route": {
            "cluster": "raw",
            "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
        },
    }
    config = bootstrap(
        listeners=[
            _with_metadata(
                http_listener(
                    "metadata", routes=[route("http")], filters=[http_wasm_filter(probe_plugin("closed"))]
                )
            ),
            *(
                http_listener(
                    mode,
                    routes=[route("http")],
                    filters=[http_wasm_filter(probe_plugin(mode))],
                    http1_trailers=True,
                )
                for mode in ("closed", "open")
            ),
            http_listener(
                "small",
                routes=[route("http")],
                filters=[http_wasm_filter(probe_plugin("closed"))],
                buffer_limit=1 << 15,
            ),
            *(
                http_listener(
                    name,
                    routes=[route("grpc", timeout=0)],
                    filters=[http_wasm_filter(probe_plugin(mode))],
                )
                for name, mode in (("grpc", "closed"), ("grpc-open", "open"))
            ),
            http_listener(
                "raw",
                routes=[connect, route("raw", timeout=0)],
                filters=[http_wasm_filter(probe_plugin("closed"))],
                upgrades=["websocket", "CONNECT"],
                http1_trailers=True,
            ),
            *(
                tcp_listener(f"tcp-{mode}", cluster="echo", filters=[network_wasm_filter(probe_plugin(mode))])
                for mode in ("closed", "open")
            ),
        ],
        clusters=[
            cluster("http", "127.0.0.1", _server.port, http1_trailers=True),
            cluster("echo", "127.0.0.1", echo_port),
            cluster("raw", "127.0.0.1", raw_upstream.port, http1_trailers=True),
            cluster("grpc", "127.0.0.1", grpc_port, http2=True),
        ],
    )
    with EnvoyProcess(config) as process:
        yield process
