"""Which functions and data of the linked runtime belong to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


def describe_groups(linked: bytes, modules: dict[str, str], work: Path, python: Path) -> dict[str, Any]:
    """Return the groups of docs/internals.md, seam 2."""
    del linked, modules, work, python
    return {}
