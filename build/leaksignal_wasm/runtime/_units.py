"""What is compiled, and with which flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaksignal_wasm.runtime._toolchain import Unit

if TYPE_CHECKING:
    from pathlib import Path

    from leaksignal_wasm.runtime._components import Component

OWN_FLAGS = ("-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-DNDEBUG")


def _cpython_include(python: Path) -> tuple[str, ...]:
    return ("-isystem", str(python / "include" / "python3.11"))


def shim_units(shim: Path, work: Path, python: Path) -> list[Unit]:
    """List the shim's own files."""
    flags = (*OWN_FLAGS, f"-I{work}", f"-I{shim}", *_cpython_include(python))
    return [Unit(source, work / "shim" / f"{source.stem}.o", flags) for source in sorted(shim.glob("*.c"))]


def component_units(component: Component, root: Path, work: Path, python: Path) -> list[Unit]:
    """List a component's files: the package's and ours."""
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
