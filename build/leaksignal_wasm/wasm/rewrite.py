"""Sections encoded anew from values: what the snapshot changes in a module."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.reader import name, signed, unsigned, vector

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from leaksignal_wasm.wasm.module import Module
    from leaksignal_wasm.wasm.types import Export, Limits, Segment

UNREACHABLE_BODY: Final = b"\0\0\x0b"
"""A body without locals: `unreachable`, `end`."""

GAP: Final = 32
"""Runs of zeros from this length on are left out; a segment's own head costs about ten bytes."""

_ZEROS: Final = re.compile(rb"\0{%d,}" % GAP)


def memory_section(limits: Limits) -> s.Section:
    """Encode a memory section with one memory."""
    flags = limits.flags & ~1 | (limits.maximum is not None)
    bounds = unsigned(limits.minimum) + (b"" if limits.maximum is None else unsigned(limits.maximum))
    return s.Section(s.MEMORY, vector([bytes([flags]) + bounds]))


def export_section(exports: Iterable[Export]) -> s.Section:
    """Encode an export section."""
    return s.Section(s.EXPORT, vector([name(x.name) + bytes([x.kind]) + unsigned(x.index) for x in exports]))


def nonzero_runs(memory: bytes) -> list[tuple[int, int]]:
    """Find what is worth writing down: `(start, end)` of the runs between long runs of zeros."""
    runs = []
    start = 0
    for gap in _ZEROS.finditer(memory):
        if gap.start() > start:
            runs.append((start, gap.start()))
        start = gap.end()
    if start < len(memory):
        runs.append((start, len(memory)))
    return runs


def data_section(segments: Sequence[Segment]) -> s.Section:
    """Encode active segments of memory 0."""
    items = []
    for segment in segments:
        assert segment.address is not None  # noqa: S101 - the snapshot writes active segments only
        # an i32.const is signed: addresses from 2 GiB on are negative numbers
        address = segment.address - (1 << 32) if segment.address >= 1 << 31 else segment.address
        items.append(b"\0\x41" + signed(address) + b"\x0b" + unsigned(len(segment.content)) + segment.content)
    return s.Section(s.DATA, vector(items))


def code_section(bodies: Sequence[bytes]) -> s.Section:
    """Encode a code section."""
    return s.Section(s.CODE, vector([unsigned(len(body)) + body for body in bodies]))


def without_bodies(module: Module, functions: Collection[int]) -> list[bytes]:
    """Give all bodies, those functions' (by index, imports counted) made `unreachable`."""
    imported = len(module.imported_functions)
    gone = {index - imported for index in functions}
    return [UNREACHABLE_BODY if i in gone else body for i, body in enumerate(module.bodies)]


def replaced(module: Module, changes: dict[int, s.Section | None]) -> list[s.Section]:
    """Give the sections, without custom ones, with some replaced (`None`: left out)."""
    kept: list[s.Section] = []
    by_id = {section.id: section for section in module.sections if section.id != s.CUSTOM}
    for identifier in s.ORDER:
        section = changes.get(identifier, by_id.get(identifier))
        if section is not None:
            kept.append(section)
    return kept
