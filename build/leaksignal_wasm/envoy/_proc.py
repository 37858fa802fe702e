"""Processes by id, as /proc shows them (Linux)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_TICKS = os.sysconf("SC_CLK_TCK")


def rss(pid: int) -> int:
    """Return the resident memory of `pid` in bytes."""
    return _memory(pid, "VmRSS")


def peak_rss(pid: int) -> int:
    """Return the most resident memory that `pid` has had, in bytes."""
    return _memory(pid, "VmHWM")


def cpu_seconds(pid: int) -> float:
    """Return the processor time that all threads of `pid` have used, user and system."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def children(pid: int) -> list[int]:
    """Return the processes whose parent is `pid`."""
    return [child for child in _all() if _parent(child) == pid]


def _all() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _parent(pid: int) -> int | None:
    try:
        return int(_read(pid, "stat").rpartition(")")[2].split()[1])
    except UserError:
        return None  # it has ended since it was listed


def _memory(pid: int, name: str) -> int:
    for line in _read(pid, "status").splitlines():
        key, _, value = line.partition(":")
        if key == name:
            return int(value.split()[0]) << 10
    raise UserError(f"process {pid} has ended")


def _read(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError) as error:
        if not Path("/proc/self").exists():
            raise UserError("measuring Envoy's memory and time needs Linux's /proc") from error
        raise UserError(f"process {pid} has ended") from error
