"""What stands in a module's sections, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from itertools import groupby
from typing import Final

PAGE: Final = 65536
"""Bytes in a page of linear memory."""

I32: Final = "i32"
I64: Final = "i64"

VALUE_TYPES: Final = {
    0x7F: I32,
    0x7E: I64,
    0x7D: "f32",
    0x7C: "f64",
    0x7B: "v128",
    0x70: "funcref",
    0x6F: "externref",
}


class Kind(IntEnum):
    """What an import or export is."""

    FUNCTION = 0
    TABLE = 1
    MEMORY = 2
    GLOBAL = 3
    TAG = 4


def _counted(types: tuple[str, ...]) -> str:
    """Spell types out, runs of one type as a product: `8 i32, i64`."""
    runs = [(name, len(list(run))) for name, run in groupby(types)]
    return ", ".join(name if count == 1 else f"{count} {name}" for name, count in runs)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function's parameters and results, as names of value types."""

    parameters: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"({_counted(self.parameters)}) -> {_counted(self.results) or 'nothing'}"


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a memory (in pages) or a table (in elements)."""

    minimum: int
    maximum: int | None = None
    flags: int = 0
    """The flag byte as found; bit 0 says that there is a maximum, bit 1 shared, bit 2 64-bit."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import; `type_index` for functions and tags, `limits` for memories and tables."""

    module: str
    name: str
    kind: Kind
    type_index: int = -1
    limits: Limits | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One export."""

    name: str
    kind: Kind
    index: int


@dataclass(frozen=True, slots=True)
class Global:
    """A global defined in the module; `initial` is the value of a plain constant initialiser."""

    type: str
    mutable: bool
    initial: int | None


@dataclass(frozen=True, slots=True)
class Segment:
    """A data segment.

    `address` is where an active segment goes in memory 0; `None` if it is passive or placed by an expression.
    """

    address: int | None
    content: bytes = field(repr=False)
    passive: bool = False
