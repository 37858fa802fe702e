"""TCP: pausing, resuming, rewriting and closing, step by step as in a real Envoy."""

from __future__ import annotations

import socket
import socketserver
import threading
from typing import TYPE_CHECKING, Any

import pytest
import wasmtime
from tests.proxy_wasm_host.planned import TICK_MS, note, planned_wat

from leaksignal_wasm.envoy_config import Upstream
from proxy_wasm_host import Host, Module, TcpStream, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from leaksignal_wasm.envoy import EnvoyProcess

# One letter each for the new connection, the client's data, the echo of it, ...
PLANS = ["", "t", "cp", "ct", "ctcc", "cu", "ccu", "ccp", "cpcp", "cx", "ccx", "ccccc", "ccptc"]
CHUNKS = [b"one", b"two"]


class Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(4096):
            self.request.sendall(data)


@pytest.fixture(scope="module")
def echo() -> Iterator[Upstream]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Upstream("127.0.0.1", server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planned") / "planned.wasm"
    path.write_bytes(wasmtime.wat2wasm(planned_wat(tcp=True)))
    return path


def in_host(module: Path, plan: str) -> tuple[list[str], list[int], bytes]:
    clock = VirtualClock()
    host = Host(clock)
    steps: list[int] = []

    def notes() -> list[str]:
        return [text for message in host.messages() if (text := note(message))]

    def settle(stream: TcpStream) -> None:
        """Echo what has arrived, let a tick pass, echo again."""
        for _turn in range(2):
            answered = sum(map(len, echoed))
            new = stream.upstream.data[answered:]
            if new and stream.reset is None:
                echoed.append(new)
                stream.upstream_data(new)
            clock.advance(1.5 * TICK_MS / 1000)
        steps.append(len(notes()))

    echoed: list[bytes] = []
    with host.vm(Module.load(module)).plugin(configuration=plan.encode()).tcp_stream() as stream:
        stream.connect()
        for chunk in CHUNKS:
            if stream.reset is None:
                stream.downstream_data(chunk)
                settle(stream)
        if stream.reset is None:
            stream.downstream_data(b"", end_of_stream=True)
            settle(stream)
            if stream.upstream.ended:
                stream.upstream_data(b"", end_of_stream=True)
    return notes(), steps, stream.downstream.data


@pytest.mark.parametrize("plan", PLANS)
def test_a_planned_connection(start_envoy: Any, echo: Upstream, planned: Path, plan: str) -> None:
    ours, steps, received = in_host(planned, plan)
    envoy: EnvoyProcess = start_envoy(planned, configuration=plan, tcp=True, upstream=echo)

    def notes() -> list[str]:
        return [text for line in envoy.log_lines() if (text := note(line.message))]

    def wait(count: int) -> None:
        for _attempt in range(100):
            if len(notes()) >= count:
                return
            try:
                envoy.wait_for_log("never", timeout=0.02)
            except TimeoutError:
                continue

    got = b""
    with socket.create_connection(("127.0.0.1", envoy.port()), timeout=5) as client:
        for chunk, count in zip(CHUNKS, steps, strict=False):
            client.sendall(chunk)
            wait(count)
        if len(steps) > len(CHUNKS):
            client.shutdown(socket.SHUT_WR)
            wait(steps[-1])
        try:
            client.settimeout(1)
            while data := client.recv(4096):
                got += data
        except OSError:
            pass
    wait(len(ours))
    assert ours == notes()
    assert received == got
