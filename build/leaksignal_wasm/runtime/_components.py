"""Extension modules that are compiled in beside CPython's own: each a folder of the shim with a `component.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaksignal_wasm.runtime._tables import Package

if TYPE_CHECKING:
    from pathlib import Path

COMPONENTS = ("msgpack", "re2", "zlib")
"""Folders under hostcalls/shim/."""


@dataclass(frozen=True)
class Component:
    """One extension module: our sources, a third-party package's sources, and how to compile both."""

    name: str
    cplusplus: bool
    modules: dict[str, str]
    """Built-in module -> init function."""
    package: Package
    root: str
    package_sources: tuple[str, ...]
    package_include: tuple[str, ...]
    own_sources: tuple[Path, ...]
    own_include: tuple[Path, ...]
    overlay: tuple[Path, ...]
    """Include folders that go before the package's own, for both lists of sources."""
    flags: tuple[str, ...]
    own_flags: tuple[str, ...]


def load(folder: Path) -> Component:
    """Read `folder/component.toml`."""
    table = tomllib.loads((folder / "component.toml").read_text(encoding="utf-8"))
    package, own, flags = table["package"], table["own"], table["flags"]
    root = package["root"].rstrip("/")
    sources = [source for pattern in own["sources"] for source in sorted(folder.glob(pattern))]
    return Component(
        name=table["component"]["name"],
        cplusplus=table["component"]["language"] == "c++",
        modules={module["name"]: module["init"] for module in table["component"]["modules"]},
        package=Package(
            package["name"], package["version"], package["sha256"], (package.get("keep", "third_party/"),)
        ),
        root=root,
        package_sources=tuple(package["sources"]),
        package_include=tuple(package.get("include", ())),
        own_sources=tuple(sources),
        own_include=tuple(folder / include for include in own.get("include", ())),
        overlay=tuple(folder / include for include in own.get("overlay", ())),
        flags=tuple(flags.get("everywhere", ())) + tuple(flags.get("wasm", ())),
        own_flags=tuple(flags.get("own", ())),
    )


def load_all(shim: Path) -> list[Component]:
    """Read the components that are there."""
    return [load(shim / name) for name in COMPONENTS if (shim / name / "component.toml").is_file()]
