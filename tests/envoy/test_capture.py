from __future__ import annotations

import http.client
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy.recorder import Recorder
from leaksignal_wasm.envoy.testing import Answer, HttpUpstream, request
from leaksignal_wasm.errors import UserError
from proxy_wasm_host.capture import load_capture

if TYPE_CHECKING:
    from pathlib import Path

    from leaksignal_wasm.envoy import EnvoyBinary


@pytest.mark.parametrize("whole", [False, True])
def test_a_recording_holds_what_client_and_upstream_said(
    whole: bool, upstream: HttpUpstream, envoy_binary: EnvoyBinary
) -> None:
    upstream.respond = lambda got: Answer(
        status=201,
        headers=[("set-cookie", "a=1"), ("set-cookie", "b=2")],
        chunks=[got.body[:3], got.body[3:]],
        trailers=[("x-sum", "7")],
    )
    body = b"one\x00two" * 9
    with Recorder(upstream.address, whole=whole, binary=envoy_binary) as recorder:
        request(recorder.envoy, "POST", "/first?x=1", body=body, headers={"X-Token": "secret"})
        request(recorder.envoy, "GET", "/second")
        recorder.envoy.wait_for_stat("http.ingress.downstream_rq_completed", 2)
        assert recorder.answered() == 2
        first, second = recorder.exchanges(masked=["x-token"])
    assert (first.method, first.path, first.status) == ("POST", "/first?x=1", 201)
    assert first.request.content == body
    assert first.request.get(b"x-token") == b"******"
    assert first.response
    assert first.response.content == body
    cookies = [value for name, value in first.response.headers if name == b"set-cookie"]
    assert cookies == [b"a=1", b"b=2"]
    assert first.response.trailers == ((b"x-sum", b"7"),)
    assert first.source == ""
    assert (second.method, second.path) == ("GET", "/second")
    assert first.started
    assert second.started
    assert first.started < second.started
    assert upstream.requests[0].headers["x-capture-start"] is None
    assert first.request.get(b"x-capture-start") is None


def test_what_is_no_http_is_left_out(upstream: HttpUpstream, envoy_binary: EnvoyBinary) -> None:
    with Recorder(upstream.address, binary=envoy_binary) as recorder:
        client = http.client.HTTPConnection("127.0.0.1", recorder.envoy.port())
        client.connect()
        client.sock.sendall(b"\x16\x03\x01 this is how TLS begins\r\n\r\n")
        assert client.sock.recv(12) == b"HTTP/1.1 400"
        client.close()
        request(recorder.envoy, "GET", "/after")
        assert [exchange.path for exchange in recorder.exchanges()] == ["/after"]


def capture(*arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "leaksignal_wasm", "capture", *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
    )


def address(recording: subprocess.Popen[str]) -> tuple[str, int]:
    assert recording.stderr
    found = re.search(r"recording http://([\d.]+):(\d+)/", recording.stderr.readline())
    assert found
    return found[1], int(found[2])


def send(where: tuple[str, int], path: str) -> int:
    client = http.client.HTTPConnection(*where, timeout=20)
    client.request("GET", path)
    status = client.getresponse().status
    client.close()
    return status


@pytest.mark.parametrize("name", ["traffic.capture", "traffic.capture.gz"])
def test_the_command_ends_after_so_many_requests(name: str, upstream: HttpUpstream, tmp_path: Path) -> None:
    output = tmp_path / name
    with capture("--upstream", upstream.address, "-o", output, "--requests", 3) as recording:
        where = address(recording)
        for number in range(3):
            assert send(where, f"/{number}") == 200
        assert recording.wait(30) == 0
    assert [exchange.path for exchange in load_capture(output)] == ["/0", "/1", "/2"]


@pytest.mark.parametrize(("form", "ending"), [("tap-json", ".json"), ("tap-protobuf", ".pb")])
def test_the_command_keeps_envoys_own_formats(
    form: str, ending: str, upstream: HttpUpstream, tmp_path: Path
) -> None:
    with capture("--upstream", upstream.address, "-o", tmp_path / "tap", "--format", form) as recording:
        where = address(recording)
        assert send(where, "/a") == send(where, "/b") == 200
        recording.terminate()
        assert recording.wait(30) == 0
    assert sorted(file.name for file in (tmp_path / "tap").iterdir()) == [f"00000{n}{ending}" for n in (1, 2)]
    assert [exchange.path for exchange in load_capture(tmp_path / "tap")] == ["/a", "/b"]


def test_an_occupied_port_is_named(
    upstream: HttpUpstream, occupied_port: int, envoy_binary: EnvoyBinary
) -> None:
    recorder = Recorder(upstream.address, port=occupied_port, binary=envoy_binary)
    with pytest.raises(UserError, match=f"{occupied_port} is taken"), recorder:
        pass
