from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.re2.cases import CASES
from tests.re2.native import built

from proxy_wasm_host import Host, Module

if TYPE_CHECKING:
    from collections.abc import Callable

RUNNER = Path(__file__).parent / "runner.py"

FILTER = """
import contextlib, pickle, re, warnings, weakref  # what cases import at run time must come along
import {module}
from proxy_wasm import PluginContext, log

CALLS = [compile(call, "<case>", "eval") for call in {calls!r}]

class Plugin(PluginContext):
    def on_configure(self, size):
        for number, call in enumerate(CALLS):
            log.info(f"{{number}} {{answer({module}, call)}}")
        return True
"""


def answers_natively(module: str, calls: list[str], *folders: Path) -> list[str]:
    """Ask a module in a Python of its own; `folders` come first on its path."""
    command = [sys.executable, str(RUNNER), module, *map(str, folders)]
    result = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    answers: list[str] = json.loads(result.stdout)
    return answers


def answers_in_wasm(build_filter: Callable[..., Path], module: str, calls: list[str]) -> list[str]:
    """Ask the module inside a built filter, at run time."""
    runner = RUNNER.read_text(encoding="utf-8").partition("\ndef main()")[0]
    path = build_filter(runner + FILTER.format(module=module, calls=calls))
    host = Host()
    host.vm(Module.load(path)).plugin()
    lines = (line.message.partition(" ") for line in host.logs)
    answers = {int(number): answer for number, _, answer in lines}
    return [answers[number] for number in range(len(calls))]


@pytest.fixture(scope="session")
def pyre2_answers() -> list[str]:
    return answers_natively("re2", [case.call for case in CASES])


@pytest.fixture(scope="session")
def native_answers() -> list[str]:
    return answers_natively("re2", [case.call for case in CASES], built("re2"))


@pytest.fixture(scope="session")
def wasm_answers(build_filter: Callable[..., Path]) -> list[str]:
    return answers_in_wasm(build_filter, "re2", [case.call for case in CASES])
