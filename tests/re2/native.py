"""Builds a component of the shim (its `component.toml`) as an extension module for this Python.

With SANITIZE=1 in the environment it is built with the address and undefined-behaviour sanitizers, for which the tests
must be started as

    SANITIZE=1 EXAMPLES=20000 LD_PRELOAD=$(g++ -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \\
        pytest tests/re2 tests/zlib -k "not wasm" --timeout=0
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.runtime import _components
from leaksignal_wasm.runtime._fetch import unpacked
from leaksignal_wasm.runtime._paths import SHIM, cache_folder

if TYPE_CHECKING:
    from leaksignal_wasm.runtime._components import Component

SANITIZERS = (
    "-g",
    "-fno-omit-frame-pointer",
    "-fsanitize=address,undefined",
    "-fno-sanitize-recover=undefined",
)
WASM_ONLY = ("-msimd128",)


def built(name: str) -> Path:
    """Return the component's module as a file, compiled if this machine has not got it yet."""
    component = _components.load(SHIM / name)
    compiler = _compiler(component)
    options = SANITIZERS if os.environ.get("SANITIZE") else ()
    include = sysconfig.get_paths()["include"]
    if not (Path(include) / "Python.h").is_file():
        pytest.skip("no Python.h: install this Python's headers (Debian: python3-dev)")
    goal = cache_folder("native") / _key(component, SHIM / name, [compiler, *options])
    if not goal.is_dir():
        with tempfile.TemporaryDirectory(dir=goal.parent) as scratch:
            made = Path(scratch) / "made"
            made.mkdir()
            _compile(component, [compiler, "-fPIC", *options], include, made)
            if not goal.is_dir():
                made.rename(goal)
    return goal / f"{next(iter(component.modules))}.so"


def _compiler(component: Component) -> str:
    name = os.environ.get("CXX", "g++") if component.cplusplus else os.environ.get("CC", "gcc")
    if not shutil.which(name):
        pytest.skip(f"no {name}: install a C++ compiler (Debian: g++) or name one in CXX and CC")
    return name


def _key(component: Component, folder: Path, command: list[str]) -> str:
    digest = hashlib.sha256(repr((command, component.flags, component.package.sha256)).encode())
    digest.update(f"{platform.python_version()} {platform.machine()}".encode())
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".c", ".cc", ".h", ".toml"}:
            digest.update(path.read_bytes())
    return f"{component.name}-{digest.hexdigest()[:32]}"


def _compile(component: Component, command: list[str], include: str, made: Path) -> None:
    root = unpacked(component.package) / component.root
    flags = [flag for flag in component.flags if flag not in WASM_ONLY]
    overlay = [f"-I{folder}" for folder in component.overlay]
    theirs = [str(root / folder) for folder in component.package_include]
    jobs = [
        (root / source, ["-w", *overlay, *(f"-I{folder}" for folder in theirs)])
        for source in component.package_sources
    ]
    own = [*component.own_flags, *overlay, *(f"-I{folder}" for folder in component.own_include)]
    system = [argument for folder in (*theirs, include) for argument in ("-isystem", folder)]
    jobs += [(source, [*own, *system]) for source in component.own_sources]

    with tempfile.TemporaryDirectory() as scratch:

        def compile_one(job: tuple[int, tuple[Path, list[str]]]) -> str:
            number, (source, options) = job
            output = f"{scratch}/{number}.o"
            _run([*command, *flags, *options, "-c", str(source), "-o", output])
            return output

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compile_one, enumerate(jobs)))
        (module,) = component.modules
        _run([*command, "-shared", "-o", str(made / f"{module}.so"), *objects])


def _run(command: list[str]) -> None:
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr}"
