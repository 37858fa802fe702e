"""Where things lie: the cache, the shim's sources, the runtime that a wheel ships."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(__file__).resolve().parents[1]
SHIPPED = PACKAGE / "_runtime"
"""The built runtime inside an installed wheel."""
SHIM = PACKAGE.parents[1] / "hostcalls" / "shim"
"""The shim's sources, in a checkout only."""


def cache_folder(name: str) -> Path:
    """Return `name` in the project's cache folder (XDG_CACHE_HOME or ~/.cache), made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "leaksignal-wasm" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def publish(made: Path, goal: Path) -> None:
    """Rename a finished folder to its place. If another process was faster, its equal folder stays."""
    with contextlib.suppress(OSError):
        made.rename(goal)
    if not goal.is_dir():
        made.rename(goal)


@contextlib.contextmanager
def building() -> Iterator[None]:
    """Hold the right to build: the compiler's own cache does not bear two builds at once, and one is enough."""
    with (cache_folder("runtime") / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # given back when the file is closed, also by a crash
        yield
