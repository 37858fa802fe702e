"""Who refers to whom in a linked module, read from the linker's own relocations.

wasm-ld's `--emit-relocs` leaves its symbol table and every reference between functions and data in the module (tool
conventions, "Linking"). That is the whole truth: a function index in memory is only a number without it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from leaksignal_wasm.wasm.module import Module
from leaksignal_wasm.wasm.reader import Reader
from leaksignal_wasm.wasm.sections import CODE, DATA

_SYMBOL_TABLE = 8
_FUNCTION, _DATA, _SECTION = 0, 1, 3
_UNDEFINED, _EXPLICIT_NAME = 0x10, 0x40
_CALLS = frozenset({0, 26})  # R_WASM_FUNCTION_INDEX_*
_ADDRESSES_OF_FUNCTIONS = frozenset({1, 2, 12, 18, 19, 24})  # R_WASM_TABLE_INDEX_*
_ADDRESSES_OF_DATA = frozenset({3, 4, 5, 11, 14, 15, 16, 17, 21, 22, 23, 25})  # R_WASM_MEMORY_ADDR_*
_WITH_ADDEND = _ADDRESSES_OF_DATA | {8, 9}  # and R_WASM_FUNCTION_OFFSET_I32, R_WASM_SECTION_OFFSET_I32


@dataclass(frozen=True, order=True)
class Block:
    """A piece of static data: one symbol's bytes."""

    address: int
    size: int


Node = int | Block
"""A function, by its index, or a piece of data."""


@dataclass
class Graph:
    """References between functions and data."""

    functions: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))
    """By name; static functions of different files can share one."""
    references: dict[Node | None, set[Node]] = field(default_factory=lambda: defaultdict(set))
    """`None` refers to what data without a symbol refers to."""
    address_taken: set[int] = field(default_factory=set)
    blocks: set[Block] = field(default_factory=set)
    exports: dict[str, int] = field(default_factory=dict)
    imported: int = 0
    """How many functions are the host's: they come first."""
    constants_end: int = 0
    """Where the first segment, `.rodata`, ends; what is behind it can change."""

    def reach(self, roots: set[Node | None], cut: set[Node]) -> set[Node]:
        """Return what can be reached from `roots` without touching `cut`."""
        seen: set[Node] = set()
        waiting = list(roots)
        while waiting:
            for node in self.references.get(waiting.pop(), ()):
                if node not in seen and node not in cut:
                    seen.add(node)
                    waiting.append(node)
        return seen | {root for root in roots if root is not None}


def read(binary: bytes) -> Graph:
    """Read a module that was linked with `--emit-relocs`."""
    module = Module.parse(binary)
    graph = Graph(exports={export.name: export.index for export in module.exports if export.kind == 0})
    graph.imported = len(module.imported_functions)
    if module.data:
        graph.constants_end = (module.data[0].address or 0) + len(module.data[0].content)
    symbols = _symbols(module, graph)
    starts, owners = _layout(module, graph)
    for title, identifier in (("reloc.CODE", CODE), ("reloc.DATA", DATA)):
        content = module.custom(title)
        if content is None:
            raise ValueError(f"the module was linked without {title}")
        _relocate(Reader(content), graph, symbols, starts[identifier], owners[identifier])
    return graph


def _symbols(module: Module, graph: Graph) -> list[Node | None]:
    """Read the symbol table: a node, or None for what is neither function nor data."""
    segments = [segment.address or 0 for segment in module.data]
    reader = Reader(module.custom("linking") or b"")
    reader.u32()  # version
    symbols: list[Node | None] = []
    while reader.remaining:
        part, size = reader.byte(), reader.u32()
        inner = Reader(reader.take(size))
        if part == _SYMBOL_TABLE:
            symbols = [_symbol(inner, segments, graph) for _ in range(inner.count(3))]
    return symbols


def _symbol(reader: Reader, segments: list[int], graph: Graph) -> Node | None:
    kind, flags = reader.byte(), reader.u32()
    if kind == _SECTION:
        reader.u32()
        return None
    if kind == _DATA:
        reader.name()
        if flags & _UNDEFINED:
            return None
        segment, offset, size = reader.u32(), reader.u32(), reader.u32()
        block = Block(segments[segment] + offset, size)
        graph.blocks.add(block)
        return block
    index = reader.u32()
    name = reader.name() if not flags & _UNDEFINED or flags & _EXPLICIT_NAME else ""
    if kind != _FUNCTION:
        return None
    graph.functions[name].add(index)
    return index


_Owners = list[Node | None]


def _layout(module: Module, graph: Graph) -> tuple[dict[int, list[int]], dict[int, _Owners]]:
    """Say where in the payload of the code and data sections each function and block starts."""
    reader = module.reader(CODE)
    code_starts, code_owners = [0], list[Node | None]([None])
    first = len(module.imported_functions)
    for number in range(reader.count()):
        size = reader.u32()
        code_starts.append(reader.position)
        code_owners.append(first + number)
        reader.take(size)
    data_starts, data_owners = _data_layout(module, graph)
    return {CODE: code_starts, DATA: data_starts}, {CODE: code_owners, DATA: data_owners}


def _data_layout(module: Module, graph: Graph) -> tuple[list[int], _Owners]:
    """Flatten the blocks to payload offsets; where blocks overlap, the one that starts last owns."""
    events: list[tuple[int, Node | None]] = [(0, None)]
    blocks = sorted(graph.blocks)
    addresses = [block.address for block in blocks]
    section = module.section(DATA)
    payload = section.payload if section else b""
    position = 0
    for segment in module.data:
        position = payload.index(segment.content, position)
        begin, end = segment.address or 0, (segment.address or 0) + len(segment.content)
        for block in blocks[bisect_right(addresses, begin - 1) : bisect_right(addresses, end - 1)]:
            events.append((position + block.address - begin, block))
            events.append((position + block.address - begin + block.size, None))
        position += len(segment.content)
    # at one offset: the end of a block before the start of the next
    events.sort(key=lambda event: (event[0], event[1] is not None))
    return [offset for offset, _ in events], [owner for _, owner in events]


def _relocate(
    reader: Reader, graph: Graph, symbols: list[Node | None], starts: list[int], owners: _Owners
) -> None:
    reader.u32()  # which section
    for _ in range(reader.u32()):
        kind, offset, symbol = reader.byte(), reader.u32(), reader.u32()
        if kind in _WITH_ADDEND:
            reader.s32()
        if kind not in _CALLS and kind not in _ADDRESSES_OF_FUNCTIONS and kind not in _ADDRESSES_OF_DATA:
            continue
        target = symbols[symbol]
        if target is None:
            continue
        owner = owners[bisect_right(starts, offset) - 1]
        graph.references[owner].add(target)
        if kind in _ADDRESSES_OF_FUNCTIONS and isinstance(target, int):
            graph.address_taken.add(target)
