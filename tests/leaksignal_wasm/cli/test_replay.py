from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from leaksignal_wasm.cli import cli

if TYPE_CHECKING:
    from pathlib import Path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)])


def test_the_table_shows_what_the_filter_did(har_files: dict[str, Path], probe_filter: Path) -> None:
    result = run(har_files["reqres"], "--module", probe_filter)
    assert result.exit_code == 0, result.output
    assert "+x-seen" in result.output
    assert "+x-answered" in result.output
    assert "saw /api/users" in result.output
    assert "2 streams in" in result.output
    assert "a second): 2 changed, 0 answered by the filter, 0 failed" in result.output
    assert "replay.seen = 2" in result.output


def test_json_has_one_object_a_line_and_a_summary(har_files: dict[str, Path], probe_filter: Path) -> None:
    result = run(har_files["login"], "--module", probe_filter, "--json", "--limit", 20, "--chunk-size", 100)
    *rows, last = map(json.loads, result.stdout.splitlines())
    assert len(rows) == 20
    assert all("+x-answered" in row["response"]["headers"] for row in rows)
    assert rows[0]["logs"][0][0] == "info"
    summary = last["summary"]
    assert (summary["streams"], summary["changed"], summary["failed"]) == (20, 20, 0)
    assert summary["metrics"] == {"replay.seen": 20}


@pytest.mark.envoy
@pytest.mark.xdist_group("envoy-replay")
def test_envoy_shows_the_same(har_files: dict[str, Path], probe_module: Path) -> None:
    def shown(*more: str) -> list[tuple[object, ...]]:
        result = run(har_files["login"], "--module", probe_module, "--json", "--limit", 40, *more)
        assert result.exit_code == 0, result.output
        *rows, last = map(json.loads, result.stdout.splitlines())
        assert last["summary"]["metrics"]["replay.seen"] == len(rows)
        return [(row["path"], row["status"], row["request"], row["response"]) for row in rows]

    assert shown() == shown("--envoy")


def test_a_stream_that_hangs_is_a_failure(har_files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(
        "from proxy_wasm import Action, HttpContext\n"
        "class F(HttpContext):\n"
        "    def on_request_headers(self, n, end):\n"
        "        return Action.PAUSE\n"
    )
    result = run(har_files["reqres"], "--module", tmp_path / "f.py")
    assert result.exit_code == 1
    assert "holds the request back for ever" in " ".join(result.output.split())
    assert "2 failed" in result.output


def test_the_configuration_comes_as_text_or_from_a_file(har_files: dict[str, Path], tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(
        "from proxy_wasm import HttpContext, PluginContext, log\n"
        "class P(PluginContext):\n"
        "    http_context = HttpContext\n"
        "    def on_configure(self, configuration):\n"
        "        if configuration != b'yes':\n"
        "            raise ValueError('no')\n"
    )
    (tmp_path / "c").write_text("yes")
    for text, code in (("yes", 0), (f"@{tmp_path / 'c'}", 0), ("no", 1), (f"@{tmp_path / 'none'}", 1)):
        result = run(har_files["reqres"], "--module", tmp_path / "f.py", "--configuration", text)
        assert result.exit_code == code, result.output
    refused = run(har_files["reqres"], "--module", tmp_path / "f.py", "--configuration", "no")
    assert "the filter does not start" in refused.stderr
    assert "ValueError: no" in refused.stderr


@pytest.mark.parametrize(
    ("capture", "module", "said"),
    [
        ("none.har", "f.py", "none.har: can't be read: No such file"),
        ("f.py", "f.py", "f.py: not a capture"),
        ("ok.har", "none.wasm", "none.wasm: can't be read"),
        ("ok.har", "none.py", "none.py: no such file"),
        ("ok.har", "broken.py", "its import failed: SyntaxError"),
        ("ok.har", "raising.py", "its import failed: ZeroDivisionError: division by zero, in "),
        ("ok.har", "ok.har", "neither a file nor a module"),
        ("ok.har", "bad.wasm", "bad.wasm: "),
    ],
)
def test_what_replay_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capture: str, module: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "f.py").write_text("from proxy_wasm import HttpContext\nclass F(HttpContext): pass\n")
    (tmp_path / "raising.py").write_text("1 / 0\n")
    (tmp_path / "broken.py").write_text("class:\n")
    (tmp_path / "ok.har").write_text('{"log": {"entries": []}}')
    (tmp_path / "bad.wasm").write_bytes(b"\0asm\1\0\0\0\xff")
    result = run(capture, "--module", module)
    assert result.exit_code == 1
    assert said in result.stderr


def test_envoy_wants_a_module(har_files: dict[str, Path], probe_filter: Path) -> None:
    result = run(har_files["reqres"], "--module", probe_filter, "--envoy")
    assert "Envoy runs .wasm modules only" in result.stderr
