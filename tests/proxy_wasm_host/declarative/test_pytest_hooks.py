from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def pytest_run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_pytest_runs_the_tests_of_a_file(filter_file: Path) -> None:
    filter_file.with_name("a.wasmtest.yaml").write_text(
        "filter: filter.py\ntests:\n"
        "- {name: good, expect: {client: {status: 200}}}\n"
        "- {name: bad, expect: {client: {status: 201}}}\n"
    )
    done = pytest_run(filter_file.parent, "-v")
    assert "a.wasmtest.yaml::good[native] PASSED" in done.stdout
    assert "a.wasmtest.yaml::bad[native] FAILED" in done.stdout
    assert "a.wasmtest.yaml:4: tests[1].expect.client.status: expected '201', got '200'" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_mistake_in_a_file_is_an_error_of_collection(filter_file: Path) -> None:
    filter_file.with_name("a.wasmtest.yaml").write_text("filter: filter.py\ntests:\n- {nam: x}\n")
    done = pytest_run(filter_file.parent)
    assert "a.wasmtest.yaml:3: tests[0].nam: unknown key 'nam'" in done.stdout
    assert "did you mean 'name'?" in done.stdout
    assert done.returncode == 2


def test_a_file_without_a_filter_needs_a_module(tmp_path: Path) -> None:
    (tmp_path / "a.wasmtest.yaml").write_text("tests:\n- {name: x}\n")
    done = pytest_run(tmp_path)
    assert "names no filter" in done.stdout
