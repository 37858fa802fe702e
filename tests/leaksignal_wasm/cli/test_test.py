from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from leaksignal_wasm.cli import cli

if TYPE_CHECKING:
    from pathlib import Path

GOOD = """
tests:
- name: edits both ways
  request: {path: /a, headers: {cookie: secret}}
  response: {body: a script, trailers: {x: 1}}
  expect:
    upstream: {headers: {cookie: null, x-seen: by the filter}}
    client: {body: a SCRIPT, headers: {x-answered: yes}, trailers: {x: 1, x-sum: 0}}
    metrics: {replay.seen: 1}
- name: answers by itself
  request: {path: /forbidden}
  expect:
    upstream: null
    client: {status: 403, headers: {x-why: path}}
    local_response: true
    logs: [saw /forbidden]
"""


@pytest.fixture
def file(tmp_path: Path, probe_filter: Path) -> Path:
    found = tmp_path / "good.wasmtest.yaml"
    found.write_text(f"filter: {probe_filter}\n{GOOD}")
    return found


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["test", *map(str, arguments)])


def test_a_file_runs_natively_on_the_filter_it_names(file: Path) -> None:
    result = run(file)
    assert result.exit_code == 0, result.output
    assert "passed  edits both ways  (native, " in result.output
    assert result.output.endswith("2 passed, 0 failed\n")


def test_both_runs_natively_and_in_wasm_and_compares(file: Path, probe_module: Path) -> None:
    result = run(file, "--both", "--module", probe_module)
    assert result.exit_code == 0, result.output
    for target in ("native", "wasm", "native = wasm"):
        assert f"edits both ways  ({target}, " in result.output
    assert "6 passed, 0 failed" in result.output


def test_a_module_is_run_in_place_of_the_filter(file: Path, probe_module: Path) -> None:
    result = run(file, "--module", probe_module, "-k", "answers")
    assert "answers by itself  (wasm, " in result.output
    assert "1 passed, 0 failed" in result.output


def test_both_finds_what_differs(file: Path, probe_module: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.py"
    other.write_text("from proxy_wasm import HttpContext\nclass F(HttpContext): pass\n")
    result = run(file, "--both", "--filter", other, "--module", probe_module, "-k", "answers")
    assert result.exit_code == 1
    assert "client: header ~:status '200' -> '403'" in result.output


def test_failures_name_their_place_and_the_exit_code_is_1(file: Path) -> None:
    file.write_text(file.read_text().replace("status: 403", "status: 404"))
    result = run(file)
    assert result.exit_code == 1
    assert f"{file}:15: tests[1].expect.client.status: expected '404', got '403'" in result.output
    assert "1 passed, 1 failed" in result.output


def test_json_has_one_object_a_line(file: Path) -> None:
    *rows, last = map(json.loads, run(file, "--json").stdout.splitlines())
    assert [(row["name"], row["passed"], row["line"]) for row in rows] == [
        ("edits both ways", True, 4),
        ("answers by itself", True, 11),
    ]
    assert last == {"summary": {"passed": 2, "failed": 0}}


def test_what_test_refuses(file: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tests:\n- {nam: x}\n")
    bad = run(tmp_path / "bad.yaml")
    assert bad.exit_code == 1
    assert "bad.yaml:2: tests[0].nam: unknown key 'nam'" in bad.stderr
    assert "did you mean 'name'?" in bad.stderr
    (tmp_path / "none.yaml").write_text("tests:\n- {name: x}\n")
    assert "nothing to run it on" in run(tmp_path / "none.yaml").stderr
    assert "no tests with 'zzz' in their names" in run(file, "-k", "zzz").stderr
    assert run().exit_code == 2
