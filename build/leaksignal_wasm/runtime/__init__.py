"""The runtime: CPython, the shim and all native modules as one wasm, built once per version and cached.

`locate()` finds it in the installed wheel, else in the cache, else builds it (docs/internals.md, seam 2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaksignal_wasm.runtime import _build, _paths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Runtime", "locate"]


@dataclass(frozen=True)
class Runtime:
    """A built runtime on disk."""

    path: Path
    """`runtime.wasm`."""
    stdlib_zip: Path
    """The pure-Python standard library as source."""
    info: dict[str, Any]
    """`runtime.json`."""

    @classmethod
    def load(cls, folder: Path) -> Runtime:
        """Read a folder that `python -m leaksignal_wasm.runtime` made."""
        info = json.loads((folder / "runtime.json").read_text(encoding="utf-8"))
        return cls(folder / "runtime.wasm", folder / "stdlib.zip", info)


def locate(say: Callable[[str], None] = lambda _: None) -> Runtime:
    """Return the runtime, building it first if it is nowhere. `say` gets lines of progress.

    Raises:
        UserError: it has to be built and can't be (no compiler, no connection, no sources).

    """
    if (_paths.SHIPPED / "runtime.json").is_file():
        return Runtime.load(_paths.SHIPPED)
    key = _build.input_key()
    folder = _paths.cache_folder("runtime") / key[:32]
    if not folder.is_dir():
        with _paths.building():
            if not folder.is_dir():  # somebody else was quicker
                _build.build(folder, key, say)
    return Runtime.load(folder)
