"""Asks a module the same calls natively and inside the wasm (`runner.py`)."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from proxy_wasm_host import Host, Module

if TYPE_CHECKING:
    from collections.abc import Callable

RUNNER = Path(__file__).parent / "runner.py"

FILTER = """
import {imports}
import {module}
from proxy_wasm import PluginContext, log

CALLS = [compile(call, "<case>", "eval") for call in {calls!r}]

class Plugin(PluginContext):
    def on_configure(self, configuration):
        for number, call in enumerate(CALLS):
            log.info(f"{{number}} {{answer({module}, call, globals())}}")
        return True
"""


def natively(
    module: str, calls: list[str], file: Path | None = None, source: Path | None = None
) -> list[str]:
    """Ask in a Python of its own. `file`: the extension module's; `source`: Python with more names for the calls."""
    command = [sys.executable, str(RUNNER), module, str(file or ""), str(source or "")]
    result = subprocess.run(command, input=json.dumps(calls), capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    answers: list[str] = json.loads(result.stdout)
    return answers


def in_wasm(
    build_filter: Callable[..., Path],
    module: str,
    calls: list[str],
    imports: str,
    source: Path | None = None,
) -> list[str]:
    """Ask at run time, inside a filter that is built for it. `imports`: what calls import, for the build to take along."""
    runner = RUNNER.read_text(encoding="utf-8").partition("\ndef main()")[0]
    more = source.read_text(encoding="utf-8") if source else ""
    path = build_filter(runner + more + FILTER.format(module=module, calls=calls, imports=imports))
    host = Host()
    host.vm(Module.load(path)).plugin()
    lines = (line.message.partition(" ") for line in host.logs)
    answers = {int(number): answer for number, _, answer in lines}
    return [answers[number] for number in range(len(calls))]
