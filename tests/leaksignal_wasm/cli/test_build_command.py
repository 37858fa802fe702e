"""`leaksignal-wasm build` and `inspect` as they are typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import wasmtime
from click.testing import CliRunner, Result

from leaksignal_wasm.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

FILTER = """
from proxy_wasm import HttpContext, build_data

print("policy is", build_data("policy"))

class Filter(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        pass
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "filter.py").write_text(FILTER)
    (tmp_path / "policy.yaml").write_text("rules: []")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_build_reports_size_memory_and_time(project: Path) -> None:
    result = run("build", "filter.py")
    assert result.exit_code == 0, result.output
    assert (project / "filter.wasm").is_file()
    for word in ("filter.wasm", "MB gzip", "pages", "filter:FilterPlugin", "on_request_headers", "sha256"):
        assert word in result.stdout


@pytest.mark.usefixtures("project")
def test_build_tells_what_the_filter_printed() -> None:
    result = run("build", "filter.py", "--policy", "policy.yaml")
    assert "printed while building: policy is b'rules: []'" in result.stdout


def test_build_reports_json(project: Path) -> None:
    result = run("build", "filter.py", "-o", "out.wasm", "--data", "policy=policy.yaml", "--json")
    report = json.loads(result.stdout)
    assert report["size"] == (project / "out.wasm").stat().st_size
    assert report["build"]["data"] == {"policy": 9}
    assert report["memory_pages"] > 16
    assert set(report["seconds"]) >= {"compile", "import", "write"}


def test_build_fails_with_the_users_traceback(project: Path) -> None:
    (project / "filter.py").write_text("1 / 0\n")
    result = run("build", "filter.py")
    assert result.exit_code == 1
    assert 'File "filter.py", line 1' in result.stderr
    assert "ZeroDivisionError" in result.stderr


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--data", "nothing"], 2, "--data takes NAME=FILE"),
        (["--policy", "policy.yaml", "--data", "policy=policy.yaml"], 2, "two files for the name 'policy'"),
        (["--policy", "missing.yaml"], 1, "missing.yaml: can't be read"),
        (["--timeout", "0"], 2, "--timeout"),
        (["--max-memory", "0"], 2, "--max-memory"),
    ],
)
def test_build_refuses_wrong_options(arguments: list[str], code: int, says: str) -> None:
    result = run("build", "filter.py", *arguments)
    assert result.exit_code == code
    assert says in result.stderr


@pytest.mark.parametrize("command", ["build", "inspect"])
def test_help_has_an_example(command: str) -> None:
    assert f"leaksignal-wasm {command}" in run(command, "--help").stdout


@pytest.mark.usefixtures("project")
def test_inspect_shows_what_was_built() -> None:
    run("build", "filter.py", "--policy", "policy.yaml")
    result = run("inspect", "filter.wasm", "--all")
    assert result.exit_code == 0
    for word in (
        "ABI 0.2.1",
        "code",
        "data",
        "proxy_log",
        "1.17",
        "1.40",
        "proxy_wasm._contexts",
        "'policy': 9 bytes",
    ):
        assert word in result.stdout
    assert "refuses" not in result.stdout


@pytest.mark.usefixtures("project")
def test_inspect_reports_json() -> None:
    run("build", "filter.py")
    report = json.loads(run("inspect", "filter.wasm", "--json").stdout)
    assert report["abi"] == "0.2.1"
    assert not any(report["refusals"].values())
    assert report["record"]["filter"] == "filter:FilterPlugin"
    wasi = {x["name"] for x in report["imports"] if not x["name"].startswith("env.proxy_")}
    allowed = ("fd_write", "clock_time_get", "random_get", "environ_get", "environ_sizes_get")
    assert wasi <= {f"wasi_snapshot_preview1.{x}" for x in allowed}


def test_inspect_says_which_envoys_refuse_a_module(project: Path) -> None:
    text = """(module
      (import "wasi_snapshot_preview1" "sched_yield" (func (result i32)))
      (import "wasi_snapshot_preview1" "path_link" (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_log" (func (param i64)))
      (func (export "proxy_abi_version_0_2_0"))
      (func (export "proxy_on_tick") (param i32) (result i32) (i32.const 0)))"""
    (project / "other.wasm").write_bytes(wasmtime.wat2wasm(text))
    report = json.loads(run("inspect", "other.wasm", "--json").stdout)
    assert report["abi"] == "0.2.0"
    assert "wasi_snapshot_preview1.sched_yield: not offered" in report["refusals"]["Envoy 1.17 (2021)"]
    assert not any("sched_yield" in x for x in report["refusals"]["Envoy 1.33 (2025)"])
    assert any("path_link: the module wants" in x for x in report["refusals"]["Envoy 1.40 (2026)"])
    assert all(any("proxy_log" in x for x in reasons) for reasons in report["refusals"].values())
    assert report["wrong_exports"] == ["proxy_on_tick is (i32) -> i32, hosts call (i32) -> nothing"]
    assert "Envoy 1.17 (2021) refuses it" in run("inspect", "other.wasm").stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not WebAssembly"),
        (b"PK\x03\x04", "not WebAssembly"),
        (b"\0asm\x0d\0\x01\0", "a WebAssembly component"),
        (b"\0asm\x01\0\0\0\x01\x7f\0", "announced"),
    ],
)
def test_inspect_refuses_what_is_no_module(project: Path, content: bytes, says: str) -> None:
    (project / "bad.wasm").write_bytes(content)
    result = run("inspect", "bad.wasm")
    assert result.exit_code == 1
    assert says in result.stderr
    assert "bad.wasm" in result.stderr


def test_inspect_refuses_a_truncated_module(project: Path) -> None:
    run("build", "filter.py")
    whole = (project / "filter.wasm").read_bytes()
    (project / "half.wasm").write_bytes(whole[: len(whole) // 2])
    result = run("inspect", "half.wasm")
    assert result.exit_code == 1
    assert "bytes announced" in result.stderr


def test_a_record_of_somebody_else_is_not_believed(project: Path) -> None:
    module = b"\0asm\x01\0\0\0"
    content = b"\x10leaksignal.build" + b'{"format": 1, "modules": 3}'
    (project / "odd.wasm").write_bytes(module + b"\0" + bytes([len(content)]) + content)
    result = run("inspect", "odd.wasm", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["record"] is None


def test_a_missing_file_is_told() -> None:
    result = run("inspect", "nowhere.wasm")
    assert result.exit_code == 1
    assert "can't be read: No such file" in result.stderr
