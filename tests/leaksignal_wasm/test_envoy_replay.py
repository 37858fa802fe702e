"""The same traffic through Envoy and through the host: both must see the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy_config import WasmPlugin
from leaksignal_wasm.envoy_replay import EnvoyReplay, replayable
from proxy_wasm_host import Host
from proxy_wasm_host.capture import Exchange, Message, load_capture
from proxy_wasm_host.replay import Outcome, differences, replay
from proxy_wasm_host.target import load_target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from proxy_wasm_host import Plugin

pytestmark = [pytest.mark.envoy, pytest.mark.xdist_group("envoy-replay")]


@pytest.fixture(scope="module")
def plain() -> Iterator[EnvoyReplay]:
    with EnvoyReplay([]) as through:
        yield through


@pytest.fixture(scope="module")
def probed(probe_module: Path) -> Iterator[EnvoyReplay]:
    with EnvoyReplay([WasmPlugin(probe_module)]) as through:
        yield through


@pytest.fixture(params=["native", "wasm"])
def host_plugin(request: pytest.FixtureRequest, probe_filter: Path, probe_module: Path) -> Iterator[Plugin]:
    with Host() as host:
        target = load_target(probe_filter if request.param == "native" else probe_module)
        yield target.vm(host).plugin("filter")


def recorded(outcome: Outcome) -> Outcome:
    return Outcome(outcome.exchange, outcome.exchange.request, outcome.exchange.response)


def exchange(
    method: bytes = b"GET",
    path: bytes = b"/",
    request: Message | None = None,
    response: Message | None = None,
) -> Exchange:
    pseudo = ((b":authority", b"a.example"), (b":path", path), (b":method", method), (b":scheme", b"http"))
    asked = request or Message(())
    return Exchange(
        Message(pseudo + asked.headers, asked.body, asked.trailers),
        response or Message(((b":status", b"200"),)),
    )


BIG = bytes(range(256)) * 4096
CASES = {
    "empty": exchange(),
    "head": exchange(b"HEAD", response=Message(((b":status", b"200"), (b"content-length", b"5")))),
    "204": exchange(response=Message(((b":status", b"204"),))),
    "304": exchange(response=Message(((b":status", b"304"), (b"etag", b'"x"')))),
    "chunks": exchange(response=Message(((b":status", b"200"),), (b"a script", b"b", b"script c"))),
    "length": exchange(response=Message(((b":status", b"200"), (b"content-length", b"8")), (b"a script",))),
    "post": exchange(b"POST", b"/p", Message(((b"content-length", b"4"),), (b"ab", b"cd"))),
    "post-chunked": exchange(b"POST", b"/p", Message((), (b"ab", b"cd"))),
    "repeated": exchange(
        response=Message(
            (
                (b":status", b"200"),
                (b"set-cookie", b"a=1"),
                (b"set-cookie", b"b=2"),
                (b"x", b"1"),
                (b"x", b"2"),
            )
        )
    ),
    "bytes": exchange(response=Message(((b":status", b"200"), (b"x-raw", b"caf\xe9")))),
    "empty-value": exchange(request=Message(((b"x-empty", b""),))),
    "request-trailers": exchange(b"POST", b"/t", Message((), (b"x",), ((b"x-t", b"1"),))),
    "response-trailers": exchange(
        response=Message(((b":status", b"200"),), (b"x",), ((b"grpc-status", b"0"),))
    ),
    "error": exchange(response=Message(((b":status", b"503"),), (b"sorry",))),
    "big": exchange(
        b"PUT", b"/big", Message((), (BIG[:500_000],)), Message(((b":status", b"200"),), (BIG, BIG))
    ),
    "forbidden": exchange(b"POST", b"/forbidden", Message((), (b"x" * 100_000,))),
    "no-response": Exchange(exchange().request),
}


@pytest.mark.parametrize("name", CASES)
def test_envoy_alone_changes_nothing(plain: EnvoyReplay, name: str) -> None:
    (outcome,) = plain.replay([CASES[name]])
    assert differences(recorded(outcome), outcome) == []
    assert outcome.failure is None


def test_published_captures_pass_envoy_alone_unchanged(
    plain: EnvoyReplay, har_files: dict[str, Path]
) -> None:
    for file in har_files.values():
        for outcome in plain.replay(load_capture(file)):
            assert differences(recorded(outcome), outcome) == [], outcome.exchange.source


@pytest.mark.parametrize("name", [name for name in CASES if name != "big"])
def test_host_and_envoy_agree(probed: EnvoyReplay, host_plugin: Plugin, name: str) -> None:
    (there,) = probed.replay([CASES[name]])
    (here,) = replay(host_plugin, [CASES[name]])
    assert differences(here, there) == []
    assert there.failure is None


def test_host_and_envoy_agree_on_published_captures(
    probed: EnvoyReplay, host_plugin: Plugin, har_files: dict[str, Path]
) -> None:
    before = probed.metrics().get("replay.seen", 0)
    sent = [
        found
        for name in ("login", "with-cookies")
        for found in load_capture(har_files[name])
        if replayable(found)
    ]
    pairs = zip(replay(host_plugin, sent), probed.replay(sent), strict=True)
    for here, there in pairs:
        assert differences(here, there) == [], here.exchange.source
    assert probed.metrics()["replay.seen"] - before == len(sent)
    assert host_plugin.vm.host.metrics["replay.seen"] == len(sent)


def test_log_lines_of_the_filter_are_seen(probed: EnvoyReplay) -> None:
    list(probed.replay([exchange(path=b"/logged")]))
    assert "saw /logged" in probed.envoy.wait_for_log("saw /logged").message


def test_tunnels_are_left_out(plain: EnvoyReplay) -> None:
    upgrade = exchange(request=Message(((b"upgrade", b"websocket"), (b"connection", b"upgrade"))))
    assert not list(plain.replay([upgrade, exchange(b"CONNECT")]))
