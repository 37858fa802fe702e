"""What a build starts from: the runtime, what is known about it, the standard library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaksignal_wasm import runtime
from leaksignal_wasm.wasm import Module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Parts:
    """The runtime folder, read."""

    runtime: Module
    stdlib: Path
    python: str
    """The version of the embedded interpreter."""
    key: str
    groups: dict[str, Any]


def load_parts(progress: Callable[[str], None]) -> Parts:
    """Read the runtime; it is built first if neither wheel nor cache has it."""
    found = runtime.locate(progress)
    return Parts(
        runtime=Module.parse(found.path.read_bytes()),
        stdlib=found.stdlib_zip,
        python=found.info["python"],
        key=found.info["key"],
        groups=found.info["groups"],
    )
