"""Pausing, buffering, answering, resetting: the host does it step by step as a real Envoy does."""

from __future__ import annotations

import http.client
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import wasmtime
from tests.proxy_wasm_host.planned import TICK_MS, note, planned_wat

from leaksignal_wasm.envoy.testing import Answer
from leaksignal_wasm.envoy_config import FailurePolicy as EnvoyPolicy
from proxy_wasm_host import FailurePolicy, Host, HttpStream, Module, VirtualClock

if TYPE_CHECKING:
    from pathlib import Path

    from leaksignal_wasm.envoy import EnvoyProcess
    from leaksignal_wasm.envoy.testing import HttpUpstream

# Without a body: one request callback, then the response's headers, its five bytes, its end.
GETS = [
    "",
    "t",
    "l",
    "k",
    "s",
    "x",
    "lt",
    "ll",
    "lcl",
    "ls",
    "ct",
    "cl",
    "cs",
    "ccp",
    "ccpt",
    "cccc",
    "ccl",
    "ccc",
]
# With a body in two chunks and its end: up to four request callbacks.
POSTS = [
    "", "t", "s", "l", "cp", "cpp", "cpt", "cppt", "cptc", "ct", "ctp", "ctt", "cn", "cnn", "cw", "cwp", "cwt", "cu", "cpu",
    "cppu", "cl", "ck", "cpl", "cs", "cps", "cx", "cpx", "tp", "tt", "cccct", "tcccl",
]  # fmt: skip
CHUNKS = [b"one", b"two", b""]


@dataclass
class Run:
    """What one stream looked like from all sides; `steps` counts the notes after each thing that was sent."""

    notes: list[str] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    upstream: bytes | None = None
    status: int | None = None
    body: bytes = b""


def awaits_response(stream: HttpStream) -> bool:
    return stream.upstream.ended and stream.local_response is None and stream.reset is None


def in_host(module: Module, method: str, plan: str, policy: FailurePolicy = FailurePolicy.FAIL_CLOSED) -> Run:
    clock = VirtualClock()
    host = Host(clock)
    plugin = host.vm(module, failure_policy=policy).plugin()
    run = Run()

    def step(stream: HttpStream) -> None:
        clock.advance(2 * TICK_MS / 1000)
        run.notes = [text for message in host.messages() if (text := note(message))]
        run.steps.append(len(run.notes))
        del stream

    with plugin.http_stream() as stream:
        headers = [
            (":method", method),
            (":path", "/"),
            (":authority", "a"),
            (":scheme", "http"),
            ("x-plan", plan),
        ]
        stream.request_headers(headers, method == "GET")
        step(stream)
        for chunk in CHUNKS if method == "POST" else []:
            if stream.local_response is None and stream.reset is None:
                stream.request_body(chunk, chunk == b"")
                step(stream)
        if awaits_response(stream):
            stream.response_headers([(":status", "200"), ("content-length", "5")])
            for chunk in (b"hello", b""):
                if stream.reset is None and stream.local_response is None:
                    stream.response_body(chunk, chunk == b"")
        step(stream)
        run.status, run.body = stream.downstream.status, stream.downstream.body
        if stream.upstream.ended:
            run.upstream = stream.upstream.body
    return run


def in_envoy(envoy: EnvoyProcess, upstream: HttpUpstream, method: str, plan: str, expected: Run) -> Run:
    upstream.reset()
    upstream.respond = lambda _: Answer(status=200, body=b"hello")
    before = len(envoy.log_lines())
    run = Run()

    def notes() -> list[str]:
        return [text for line in envoy.log_lines()[before:] if (text := note(line.message))]

    def wait(count: int) -> None:
        """Until Envoy has noted as much as the host; the comparison tells what is missing."""
        for _attempt in range(200):
            if len(notes()) >= count:
                return
            try:
                envoy.wait_for_log("never", timeout=0.02)
            except TimeoutError:
                continue

    with socket.create_connection(("127.0.0.1", envoy.port()), timeout=5) as connection:
        length = "" if method == "GET" else "transfer-encoding: chunked\r\n"
        connection.sendall(f"{method} / HTTP/1.1\r\nhost: a\r\nx-plan: {plan}\r\n{length}\r\n".encode())
        steps = iter(expected.steps)
        wait(next(steps))
        for chunk, count in zip(CHUNKS if method == "POST" else [], list(steps)[:-1], strict=False):
            connection.sendall(b"%x\r\n%b\r\n" % (len(chunk), chunk))
            wait(count)
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            run.status = response.status
            run.body = response.read()
        except http.client.IncompleteRead as partial:
            run.body = partial.partial
        except (http.client.HTTPException, OSError):
            pass
    wait(len(expected.notes))
    run.notes = notes()
    if upstream.requests:
        run.upstream = upstream.requests[-1].body
    return run


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("planned") / "planned.wasm"
    path.write_bytes(wasmtime.wat2wasm(planned_wat()))
    return path


@pytest.fixture(scope="module")
def envoy(start_shared_envoy: Any, planned: Path) -> EnvoyProcess:
    started: EnvoyProcess = start_shared_envoy(planned)
    return started


@pytest.mark.parametrize(
    ("method", "plan"), [("GET", plan) for plan in GETS] + [("POST", plan) for plan in POSTS]
)
def test_a_planned_stream(
    envoy: EnvoyProcess, upstream: HttpUpstream, planned: Path, method: str, plan: str
) -> None:
    ours = in_host(Module.load(planned), method, plan)
    theirs = in_envoy(envoy, upstream, method, plan, ours)
    assert ours.notes == theirs.notes
    assert (ours.upstream, ours.status, ours.body) == (theirs.upstream, theirs.status, theirs.body)


TRAPS = [
    *[("GET", plan) for plan in ("b", "cb", "ccb", "cccb", "pb", "lb")],
    *[("POST", plan) for plan in ("b", "cb", "ccb", "cpb", "cppb", "cccb", "ccccb")],
]  # fmt: skip


@pytest.fixture(scope="module")
def reloading_envoy(start_shared_envoy: Any, planned: Path) -> EnvoyProcess:
    """Each trap fails its stream as FAIL_CLOSED does, and the next stream finds a new VM."""
    started: EnvoyProcess = start_shared_envoy(
        planned, failure_policy=EnvoyPolicy.FAIL_RELOAD, reload_backoff=(0.002, 0.002)
    )
    return started


@pytest.mark.parametrize(("method", "plan"), TRAPS)
def test_a_trap_fails_the_stream(
    reloading_envoy: EnvoyProcess, upstream: HttpUpstream, planned: Path, method: str, plan: str
) -> None:
    ours = in_host(Module.load(planned), method, plan)
    theirs = in_envoy(reloading_envoy, upstream, method, plan, ours)
    assert ours.notes == theirs.notes
    assert (ours.upstream, ours.status, ours.body) == (theirs.upstream, theirs.status, theirs.body)


@pytest.mark.parametrize(("method", "plan"), [("GET", "b"), ("GET", "cb"), ("POST", "cpb"), ("POST", "cccb")])
def test_a_trap_fails_the_stream_whatever_comes_after_it(
    start_envoy: Any, upstream: HttpUpstream, planned: Path, method: str, plan: str
) -> None:
    envoy = start_envoy(planned, failure_policy=EnvoyPolicy.FAIL_OPEN)
    ours = in_host(Module.load(planned), method, plan, FailurePolicy.FAIL_OPEN)
    theirs = in_envoy(envoy, upstream, method, plan, ours)
    assert ours.notes == theirs.notes
    assert (ours.upstream, ours.status, ours.body) == (theirs.upstream, theirs.status, theirs.body)
