"""What a manifest has to know of a module."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaksignal_wasm import oci
from leaksignal_wasm.wasm import PAGE, Module

if TYPE_CHECKING:
    from pathlib import Path

_UNBOUNDED_PAGES = 65536  # of a 32-bit memory


@dataclass(frozen=True, slots=True)
class ModuleFacts:
    """A finished module, in figures."""

    path: Path
    size: int
    """Bytes."""
    sha256: str
    """Of the .wasm file; what Istio checks a file:// or http:// URL against."""
    image_sha256: str
    """Of the OCI manifest that `leaksignal-wasm push` makes of it; what Istio checks an oci:// URL against."""
    memory: int
    """Bytes of memory that a VM starts with."""
    max_memory: int | None
    """Bytes that a VM's memory can grow to; None if the module sets no limit of its own (Envoy sets none)."""

    def __str__(self) -> str:
        """Return the figures in a line."""
        most = "no limit of its own" if self.max_memory is None else f"at most {self.max_memory / 2**20:.0f}"
        return (
            f"{self.size / 1e6:.2f} MB; each VM (one a worker thread, and two more): "
            f"{self.memory / 2**20:.1f} MiB of memory, {most}"
        )


def module_facts(path: Path) -> ModuleFacts:
    """Read a module. Raises UserError if it is none that Envoy would take for one."""
    data = oci.read_module(path)
    memory = next(iter(Module.parse(data).memories), None)
    least = memory.minimum if memory else 0
    most = memory.maximum if memory else 0
    return ModuleFacts(
        path=path,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        image_sha256=oci.image(data).digest.removeprefix("sha256:"),
        memory=least * PAGE,
        max_memory=None if most is None or most >= _UNBOUNDED_PAGES else most * PAGE,
    )
