"""A module as the sequence of its sections: split without loss, joined to the same bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from leaksignal_wasm.wasm.reader import Reader, WasmFormatError, name, unsigned

MAGIC: Final = b"\0asm"
CORE_VERSION: Final = b"\x01\0\0\0"
COMPONENT_VERSION: Final = b"\x0d\0\x01\0"

CUSTOM, TYPE, IMPORT, FUNCTION, TABLE, MEMORY, GLOBAL, EXPORT, START, ELEMENT, CODE, DATA, DATA_COUNT, TAG = (
    range(14)
)

SECTION_NAMES: Final = (
    "custom", "type", "import", "function", "table", "memory", "global",
    "export", "start", "element", "code", "data", "data count", "tag",
)  # fmt: skip

ORDER: Final = (
    TYPE,
    IMPORT,
    FUNCTION,
    TABLE,
    MEMORY,
    TAG,
    GLOBAL,
    EXPORT,
    START,
    ELEMENT,
    DATA_COUNT,
    CODE,
    DATA,
)
"""The order the specification asks for; custom sections may stand anywhere."""


@dataclass(frozen=True, slots=True)
class Section:
    """One section: its id, what stands in it, and how many bytes its size took (some linkers pad)."""

    id: int
    payload: bytes = field(repr=False)
    size_width: int = 0

    @property
    def name(self) -> str:
        """The name of a custom section, the specification's word for any other."""
        return Reader(self.payload).name() if self.id == CUSTOM else SECTION_NAMES[self.id]

    @property
    def content(self) -> bytes:
        """The payload; for a custom section without its name."""
        if self.id != CUSTOM:
            return self.payload
        reader = Reader(self.payload)
        reader.name()
        return self.payload[reader.position :]

    def encode(self) -> bytes:
        """Give back the section's bytes."""
        return bytes([self.id]) + unsigned(len(self.payload), self.size_width) + self.payload


def custom(title: str, content: bytes) -> Section:
    """Make a custom section."""
    return Section(CUSTOM, name(title) + content)


def split(binary: bytes) -> list[Section]:
    """Split a core module into sections, checking frame and order, not what stands inside.

    Raises `WasmFormatError` for anything that is no core module, a component included.
    """
    reader = Reader(binary)
    if binary[:4] != MAGIC:
        raise WasmFormatError("not WebAssembly: it does not start with \\0asm", 0)
    version = binary[4:8]
    if version == COMPONENT_VERSION:
        raise WasmFormatError("a WebAssembly component; Proxy-Wasm hosts load core modules", 4)
    if version != CORE_VERSION:
        raise WasmFormatError(
            f"WebAssembly version bytes {version.hex(' ') or 'missing'}, not 01 00 00 00", 4
        )
    reader.take(8)
    sections: list[Section] = []
    due = 0
    while reader.remaining:
        identifier = reader.byte()
        before = reader.position
        size = reader.u32()
        width = reader.position - before
        section = Section(identifier, reader.take(size), width if width != len(unsigned(size)) else 0)
        if identifier == CUSTOM:
            Reader(section.payload, base=reader.position - size).name()
        elif identifier not in ORDER[due:]:
            known = SECTION_NAMES[identifier] if identifier < len(SECTION_NAMES) else f"number {identifier}"
            raise WasmFormatError(f"section {known} is unknown, repeated or out of order", before - 1)
        else:
            due = ORDER.index(identifier, due) + 1
        sections.append(section)
    return sections


def join(sections: list[Section]) -> bytes:
    """Put sections together to a module."""
    return MAGIC + CORE_VERSION + b"".join(section.encode() for section in sections)
