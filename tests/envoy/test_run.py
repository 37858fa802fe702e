from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy import _proc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from leaksignal_wasm.envoy import EnvoyBinary
    from leaksignal_wasm.envoy.testing import HttpUpstream


@pytest.fixture(scope="module")
def greeter(wat_module: Callable[[str], Path]) -> Path:
    return wat_module("greeter")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "leaksignal_wasm", *map(str, arguments)]


class Running:
    """A `leaksignal-wasm run` in the background."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.lines: list[str] = []

    def read_until(self, pattern: str) -> re.Match[str]:
        assert self.process.stdout
        for line in self.process.stdout:
            self.lines.append(line)
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"ended without {pattern!r}:\n{''.join(self.lines)}")

    def end(self, number: signal.Signals) -> int:
        assert self.process.stdout
        self.process.send_signal(number)
        self.lines += self.process.stdout
        return self.process.wait(20)


@contextlib.contextmanager
def run(*arguments: object) -> Iterator[Running]:
    with subprocess.Popen(
        command("run", *arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1
    ) as process:
        try:
            yield Running(process)
        finally:
            process.kill()


def fetch(port: str, path: str) -> bytes:
    client = http.client.HTTPConnection("127.0.0.1", int(port), timeout=20)
    client.request("GET", path)
    body = client.getresponse().read()
    client.close()
    return body


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("func_e", [False, True])
def test_run_serves_shows_what_the_filter_logs_and_leaves_nothing(
    greeter: Path, number: signal.Signals, func_e: bool, request: pytest.FixtureRequest
) -> None:
    if func_e:
        request.getfixturevalue("func_e_binary")
    with run(greeter, "--config", "hello", *(["--func-e"] if func_e else [])) as running:
        port = running.read_until(r"listening on http://127\.0\.0\.1:(\d+)/")[1]
        assert any("configured: hello" in line for line in running.lines)
        running.read_until("ctrl-C")
        assert b'"path": "/a?b"' in fetch(port, "/a?b")
        running.read_until(r"info +request")
        running.read_until(r"GET /a\?b 200")
        children = _proc.children(running.process.pid)
        assert children
        assert running.end(number) == 0
        assert not any("SIGTERM" in line for line in running.lines)
    for child in children:
        with pytest.raises(ProcessLookupError):
            os.kill(child, 0)


def test_run_goes_to_the_upstream_it_is_given(greeter: Path, upstream: HttpUpstream, tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"mode": "strict"}')
    with run(
        greeter, "--upstream", upstream.address, "--config", f"@{config}", "--concurrency", 2
    ) as running:
        port = running.read_until(r"listening on http://127\.0\.0\.1:(\d+)/")[1]
        assert any('configured: {"mode": "strict"}' in line for line in running.lines)
        assert fetch(port, "/orders") == b""
        assert upstream.requests[-1].path == "/orders"


def test_run_takes_any_tcp_server(wat_module: Callable[[str], Path]) -> None:
    with run(wat_module("greeter"), "--tcp") as running:
        port = running.read_until(r"listening on 127\.0\.0\.1:(\d+)")[1]
        with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as client:
            client.sendall(b"ping")
            assert client.recv(16) == b"ping"


def test_run_builds_a_filter_that_is_still_python(tmp_path: Path, upstream: HttpUpstream) -> None:
    (tmp_path / "stamp.py").write_text(
        "from proxy_wasm import HttpContext\n"
        "class Stamp(HttpContext):\n"
        "    def on_request_headers(self, num_headers, end_of_stream):\n"
        "        self.request_headers.add('x-stamp', 'python')\n"
    )
    with run(tmp_path / "stamp.py", "--upstream", upstream.address) as running:
        port = running.read_until(r"listening on http://127\.0\.0\.1:(\d+)/")[1]
        fetch(port, "/")
        assert upstream.requests[-1].headers["x-stamp"] == "python"
        assert running.end(signal.SIGTERM) == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.wasm"], "nowhere.wasm: there is no such module"),
        (["{half}"], "half.wasm: not a whole wasm module"),
        (["{greeter}", "--envoy", "/nowhere"], "--envoy: /nowhere is not a program"),
        (["{greeter}", "--upstream", "ftp://x"], "--upstream: 'ftp://x' is not an upstream"),
        (["{greeter}", "--config", "@/nowhere"], "/nowhere: can't be read"),
        (["{greeter}", "--config", "!refused"], "configured: !refused"),
        (["{greeter}", "--port", "{taken}"], "its port 127.0.0.1:{taken} is taken"),
        (["{missing_import}"], "proxy_no_such_call"),
    ],
)
def test_run_tells_what_is_wrong(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    wat_module: Callable[[str], Path],
    occupied_port: int,
    envoy_binary: EnvoyBinary,
) -> None:
    assert envoy_binary.path
    half = tmp_path / "half.wasm"
    half.write_bytes(wat_module("greeter").read_bytes()[:-20])
    words = {
        "greeter": wat_module("greeter"),
        "half": half,
        "missing_import": wat_module("missing_import"),
        "taken": occupied_port,
    }
    ended = subprocess.run(
        command("run", *(argument.format_map(words) for argument in arguments)),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert told.format_map(words) in ended.stderr
    assert "Traceback" not in ended.stderr
