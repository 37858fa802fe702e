"""Each example does the same natively, in wasm on the host and in a real Envoy: client, upstream and metrics agree."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from leaksignal_wasm.envoy import EnvoyProcess, validate
from leaksignal_wasm.envoy.testing import Answer, Received, request, serve_http
from leaksignal_wasm.envoy_config import Upstream, WasmPlugin, cluster, proxy
from leaksignal_wasm.envoy_replay import EnvoyReplay
from proxy_wasm_host import Host, HttpReply
from proxy_wasm_host.capture import Exchange, Message, load_capture
from proxy_wasm_host.replay import Outcome, differences, replay
from proxy_wasm_host.target import load_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FILTERS = Path(__file__).parents[2] / "examples" / "filters"
CAPTURED = Path(__file__).parents[1] / "data" / "captured"

Pairs = tuple[tuple[bytes, bytes], ...]


def exchange(
    path: bytes = b"/",
    *,
    request: Pairs = (),
    body: tuple[bytes, ...] = (),
    status: bytes = b"200",
    response: Pairs = (),
    answer: tuple[bytes, ...] = (b"ok\n",),
    trailers: Pairs = (),
) -> Exchange:
    method = b"POST" if body else b"GET"
    start = ((b":method", method), (b":path", path), (b":authority", b"example.test"), (b":scheme", b"http"))
    return Exchange(
        Message((*start, *request), body),
        Message(((b":status", status), *response), answer, trailers),
    )


TEXT = ((b"content-type", b"text/plain"),)
INTERNAL = b"http://internal.example"


@dataclass(frozen=True)
class Case:
    """An example, its configuration, and traffic that shows all it does."""

    traffic: list[Exchange]
    configuration: str = ""
    statuses: list[int] = field(default_factory=list)
    """What the client is to get."""
    metrics: dict[str, int] = field(default_factory=dict)
    """By how much counters are to move in all."""


def credentials(token: bytes) -> Pairs:
    return ((b"authorization", b"Bearer " + token), (b"x-user", b"claimed"))


CASES = {
    "header_auth": Case(
        [
            exchange(),
            exchange(request=credentials(b"good")),
            exchange(request=credentials(b"bad"), body=(b"data",)),
            exchange(request=credentials(b"good"), body=(b"some", b"data")),
        ],
        statuses=[401, 200, 403, 200],
    ),
    "response_headers": Case(
        [
            exchange(response=((b"x-powered-by", b"PHP/8"),)),
            exchange(response=((b"x-frame-options", b"SAMEORIGIN"),), status=b"404"),
        ],
        statuses=[200, 404],
    ),
    "body_rewrite": Case(
        [
            exchange(response=TEXT, answer=(b"see " + INTERNAL + b"/a and " + INTERNAL + b"/b\n",)),
            *(
                exchange(response=TEXT, answer=(INTERNAL[:cut], INTERNAL[cut:] + b"/x"))
                for cut in range(1, 23)
            ),
            exchange(response=TEXT, answer=tuple(b"%c" % byte for byte in b"<" + INTERNAL + b">" + INTERNAL)),
            exchange(response=TEXT, answer=(b"ends with a beginning: http://int",)),
            exchange(response=TEXT, answer=(b"then trailers: http://int",), trailers=((b"x-end", b"1"),)),
            exchange(response=TEXT, answer=()),
            exchange(response=((b"content-type", b"image/png"),), answer=(INTERNAL,)),
            exchange(response=(*TEXT, (b"content-encoding", b"br")), answer=(INTERNAL,)),
        ],
        configuration=json.dumps({"search": INTERNAL.decode(), "replace": "https://www.example"}),
        statuses=[200] * 29,
    ),
    "rate_limit": Case(
        [exchange(request=((b"x-client", client),)) for client in (b"a", b"a", b"b", b"a", b"b", b"b", b"a")],
        configuration=json.dumps({"requests": 2, "seconds": 86_400}),
        statuses=[200, 200, 200, 429, 200, 429, 429],
    ),
    "metrics": Case(
        [
            exchange(body=(b"12345", b"678")),
            exchange(status=b"404", answer=(b"nothing here",)),
            exchange(status=b"503", answer=()),
        ],
        statuses=[200, 404, 503],
        metrics={
            "traffic.responses_2xx": 1,
            "traffic.responses_4xx": 1,
            "traffic.responses_5xx": 1,
            "traffic.request_bytes": 8,
            "traffic.response_bytes": 15,
        },
    ),
}


@pytest.fixture(scope="module")
def example_module(build_filter: Callable[..., Path]) -> Callable[[str], Path]:
    return lambda name: build_filter((FILTERS / name / "filter.py").read_text())


def on_host(target: str | Path, case: Case) -> list[Outcome]:
    host = Host()
    host.cluster("auth", lambda call: check(call.headers.get("authorization")))
    plugin = load_target(target).vm(host).plugin("example", configuration=case.configuration)
    return list(replay(plugin, case.traffic))


def check(authorization: str | bytes | None) -> HttpReply:
    """The authorisation service of `header_auth`, for the host; `auth_service` is the same one as a server."""
    value = authorization.encode() if isinstance(authorization, str) else authorization
    return HttpReply(200, headers=[("x-user", "ann")]) if value == b"Bearer good" else HttpReply(401)


def auth_service(received: Received) -> Answer:
    allowed = received.path == "/check" and received.headers["authorization"] == "Bearer good"
    return Answer(headers=[("x-user", "ann")]) if allowed else Answer(401)


def counted(outcomes: list[Outcome]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for outcome in outcomes:
        for name, moved in outcome.metrics:
            totals[name] = totals.get(name, 0) + moved
    return totals


@pytest.mark.envoy
@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("name", CASES)
def test_native_wasm_and_envoy_agree(name: str, example_module: Callable[[str], Path]) -> None:
    case = CASES[name]
    native = on_host(FILTERS / name / "filter.py", case)
    assert [outcome.status for outcome in native] == case.statuses
    assert [outcome.failure for outcome in native] == [None] * len(native)
    assert counted(native).items() >= case.metrics.items()

    module = example_module(name)
    wasm = on_host(module, case)
    assert [differences(one, other) for one, other in zip(native, wasm, strict=True)] == [[]] * len(native)
    assert [outcome.logs for outcome in wasm] == [outcome.logs for outcome in native]
    assert [outcome.actions for outcome in wasm] == [outcome.actions for outcome in native]
    assert counted(wasm) == counted(native)

    plugin = WasmPlugin(module, name="example", configuration=case.configuration or None)
    with serve_http(auth_service) as auth:
        clusters = [cluster("auth", "127.0.0.1", auth.port)]
        with EnvoyReplay([plugin], clusters=clusters) as through:
            real = list(through.replay(case.traffic))
            metrics = through.metrics()
    assert [differences(one, other) for one, other in zip(native, real, strict=True)] == [[]] * len(native)
    assert metrics.items() >= case.metrics.items()


def test_the_body_is_rewritten_and_nothing_is_lost() -> None:
    for outcome in on_host(FILTERS / "body_rewrite" / "filter.py", CASES["body_rewrite"]):
        sent = outcome.exchange.response
        assert sent
        assert outcome.client
        rewritable = sent.get(b"content-type") == b"text/plain" and not sent.get(b"content-encoding")
        expected = sent.content.replace(INTERNAL, b"https://www.example") if rewritable else sent.content
        assert outcome.client.content == expected
        assert outcome.client.trailers == sent.trailers


def captures() -> Iterator[Path]:
    yield from sorted(path for path in CAPTURED.iterdir() if path.suffix not in {"", ".md", ".py"})


@pytest.mark.envoy
@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize(
    ("name", "configuration"),
    [
        ("response_headers", ""),
        ("metrics", ""),
        ("body_rewrite", '{"search": "http", "replace": "gopher"}'),
        ("rate_limit", '{"requests": 50, "seconds": 86400}'),
        ("header_auth", ""),
    ],
)
def test_captured_traffic_passes_host_and_envoy_alike(
    example_module: Callable[[str], Path], har_files: dict[str, Path], name: str, configuration: str
) -> None:
    module = example_module(name)
    exchanges = [one for path in (*captures(), *har_files.values()) for one in load_capture(path)]
    assert len(exchanges) >= 100
    plugins = [WasmPlugin(module, name="example", configuration=configuration)]
    with (
        serve_http(auth_service) as auth,
        EnvoyReplay(plugins, clusters=[cluster("auth", "127.0.0.1", auth.port)]) as through,
    ):
        real = list(through.replay(exchanges))
    simulated = Host()
    simulated.cluster("auth", lambda call: check(call.headers.get("authorization")))
    plugin = load_target(module).vm(simulated).plugin("example", configuration=configuration)
    host = list(replay(plugin, [outcome.exchange for outcome in real]))
    differing = {
        outcome.exchange.source: found
        for outcome, other in zip(host, real, strict=True)
        if (found := differences(outcome, other))
    }
    assert differing == {}


def echo_server(stack: contextlib.ExitStack) -> int:
    import threading  # noqa: PLC0415 - for this server alone

    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    while data := connection.recv(65_536):
                        connection.sendall(data)

    threading.Thread(target=serve, daemon=True).start()
    return int(listener.getsockname()[1])


@pytest.mark.envoy
@pytest.mark.xdist_group("examples")
def test_the_tcp_inspector_counts_and_closes(example_module: Callable[[str], Path]) -> None:
    plugin = WasmPlugin(example_module("tcp_echo_inspector"), name="tcp", configuration="forbidden")
    with contextlib.ExitStack() as stack:
        upstream = Upstream("127.0.0.1", echo_server(stack))
        envoy = stack.enter_context(EnvoyProcess(proxy([plugin], upstream, tcp=True)))
        address = ("127.0.0.1", envoy.port())
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(b"hello\nworld\n")
            echoed = b""
            while len(echoed) < 12:
                echoed += client.recv(100)
            assert echoed == b"hello\nworld\n"
        envoy.wait_for_log("connection closed after 2 lines")
        with socket.create_connection(address, timeout=30) as client:
            client.sendall(b"this is forb")
            assert client.recv(100) == b"this is forb"
            client.sendall(b"idden, is it not")
            with contextlib.suppress(ConnectionResetError):
                assert client.recv(100) == b""
        assert envoy.wait_for_stat("wasmcustom.tcp_echo_inspector.closed_by_word") == 1
        assert envoy.stats()["wasmcustom.tcp_echo_inspector.connections"] == 2


@pytest.mark.envoy
@pytest.mark.xdist_group("examples")
@pytest.mark.parametrize("name", [path.name for path in sorted(FILTERS.iterdir())])
def test_each_example_is_whole_and_its_configuration_valid(
    name: str, example_module: Callable[[str], Path]
) -> None:
    folder = FILTERS / name
    assert (folder / "README.md").read_text().startswith(f"# {name}\n")
    bootstrap = yaml.safe_load(
        (folder / "envoy.yaml")
        .read_text()
        .replace("filename: filter.wasm", f"filename: {example_module(name)}")
    )
    assert str(example_module(name)) in json.dumps(bootstrap)
    validate(bootstrap)


@pytest.mark.envoy
@pytest.mark.xdist_group("examples")
def test_two_filters_share_an_envoy(example_module: Callable[[str], Path]) -> None:
    text = (FILTERS.parent / "envoy" / "envoy.yaml").read_text()
    for name in ("response_headers", "metrics"):
        text = text.replace(f"filename: {name}.wasm", f"filename: {example_module(name)}")
    # The example's own ports may be in use here.
    text = text.replace("port_value: 10000", "port_value: 0").replace("port_value: 9901", "port_value: 0")
    with serve_http() as upstream:
        text = text.replace("port_value: 8080", f"port_value: {upstream.port}")
        with EnvoyProcess(yaml.safe_load(text)) as envoy:
            reply = request(envoy, "POST", body=b"data")
            assert (reply.status, reply.body) == (200, b"data")
            assert reply.headers["x-frame-options"] == "DENY"
            assert envoy.wait_for_stat("wasmcustom.traffic.response_bytes") == 4
