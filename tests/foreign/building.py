"""Builds the same small filter by the SDKs of other languages; what is built stays in the cache.

There is no C++ among them: its SDK is in no package registry.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.rust import find_toolchain

from leaksignal_wasm.envoy import cache_dir
from leaksignal_wasm.errors import UserError

HERE = Path(__file__).parent


def build(language: str) -> Path:
    """Return the finished module. Skips the test if the language's tools are not installed."""
    version, compile_into = BUILDERS[language]()
    key = hashlib.sha256(version.encode())
    for path in sorted((HERE / language).rglob("*")):
        if path.is_file():
            key.update(b"%s\0%s\0" % (path.relative_to(HERE).as_posix().encode(), path.read_bytes()))
    finished = cache_dir() / "foreign" / f"{language}-{key.hexdigest()[:16]}.wasm"
    if not finished.exists():
        finished.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=finished.parent) as folder:
            part = Path(folder) / "part.wasm"
            compile_into(part)
            part.replace(finished)
    return finished


Builder = tuple[str, Callable[[Path], None]]
"""What the compiler calls itself, and what compiles."""


def _rust() -> Builder:
    try:
        toolchain = find_toolchain()
    except UserError as error:
        pytest.skip(str(error))

    def compile_into(output: Path) -> None:
        target_dir = cache_dir() / "foreign" / "cargo"
        toolchain.build(HERE / "rust", target_dir)
        shutil.copyfile(target_dir / toolchain.target / "release" / "foreign.wasm", output)

    return toolchain.identity, compile_into


def _go() -> Builder:
    go = _program("go", "Go 1.24 or newer")
    environment = {**os.environ, "GOOS": "wasip1", "GOARCH": "wasm"}

    def compile_into(output: Path) -> None:
        shape = ["-trimpath", "-ldflags=-s -w", "-buildmode=c-shared"]
        _run([go, "build", *shape, "-o", str(output), "."], HERE / "go", environment)

    return _run([go, "version"], HERE, environment), compile_into


def _assemblyscript() -> Builder:
    npm = _program("npm", "Node.js with npm")

    def compile_into(output: Path) -> None:
        folder = output.parent / "assemblyscript"
        shutil.copytree(HERE / "assemblyscript", folder)
        _run([npm, "ci", "--ignore-scripts"], folder)
        compiler = str(folder / "node_modules" / ".bin" / "asc")
        _run(
            [compiler, "assembly/index.ts", "-b", str(output), "--use", "abort=abort_proc_exit", "-O"], folder
        )

    return _run([npm, "--version"], HERE), compile_into


BUILDERS: dict[str, Callable[[], Builder]] = {"rust": _rust, "go": _go, "assemblyscript": _assemblyscript}


def _program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not on PATH: install {package}")
    return found


def _run(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}", where=str(folder))
    return done.stdout
