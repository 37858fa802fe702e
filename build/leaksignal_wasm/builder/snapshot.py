"""The finished module: the runtime's code around the memory of an instance that has imported the filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from leaksignal_wasm.wasm import PAGE, Kind, Limits, Module, Section, Segment, custom
from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.inlining import without_inlining
from leaksignal_wasm.wasm.rewrite import (
    data_section,
    export_section,
    memory_section,
    nonzero_runs,
    replaced,
    without_bodies,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

ALWAYS: Final = frozenset(
    {
        "memory",
        "proxy_abi_version_0_2_1",
        "proxy_on_configure",
        "proxy_on_context_create",
        "proxy_on_delete",
        "proxy_on_memory_allocate",
        "proxy_on_vm_start",
    }
)
"""Exports that every module keeps; other callbacks are there if the filter has them: a call costs Envoy 1.5 us."""

RECORD: Final = "leaksignal.build"
"""The custom section that tells what a module was made of."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What a finished module keeps of the runtime."""

    callbacks: frozenset[str]
    functions: frozenset[int]
    """Functions whose bodies go, by index."""
    zeroed: tuple[tuple[int, int], ...]
    """`(address, length)` of memory that only those functions use."""
    maximum_pages: int | None
    keep_names: bool


def unneeded(groups: Mapping[str, Any], builtin: Collection[str], *, keep_compiler: bool) -> list[str]:
    """Name the groups of `runtime.json` that a snapshot with these built-in modules can't need."""
    needed = {"compiler": keep_compiler, "startup": False}
    return [
        name
        for name, group in sorted(groups.items())
        if not needed.get(name, any(module in builtin for module in group["modules"]))
    ]


def _stack_size(runtime: Module) -> int:
    """Tell how much memory, from 0 on, is C's stack; between two calls nothing on it is alive.

    The runtime is linked with the stack first: it grows down to 0 from where the stack pointer starts, and the
    data lies above. A runtime laid out otherwise keeps its stack as it is.
    """
    pointers = [x.initial for x in runtime.globals if x.mutable]
    lowest = min((x.address for x in runtime.data if x.address is not None), default=0)
    return lowest if len(pointers) == 1 and pointers[0] == lowest else 0


def assemble(runtime: Module, memory: bytes, shape: Shape, record: bytes) -> bytes:
    """Make the finished module of the runtime's code and the memory."""
    pages = len(memory) // PAGE
    content = bytearray(memory)
    for address, length in [*shape.zeroed, (0, _stack_size(runtime))]:
        content[address : address + length] = bytes(length)
    memory = bytes(content)
    segments = [Segment(start, memory[start:end]) for start, end in nonzero_runs(memory)]
    data = data_section(segments)
    kept = [
        x
        for x in runtime.exports
        if x.name in shape.callbacks | ALWAYS and x.kind in (Kind.FUNCTION, Kind.MEMORY)
    ]
    changes: dict[int, Section | None] = {
        s.MEMORY: memory_section(Limits(pages, shape.maximum_pages)),
        s.EXPORT: export_section(kept),
        s.START: None,  # whatever it did is in the memory
        **without_inlining(runtime, without_bodies(runtime, shape.functions)),
        s.DATA: data,
        s.DATA_COUNT: None,  # needed by instructions on passive segments only, and there are none
    }
    sections = replaced(runtime, changes)
    names = next((x for x in runtime.sections if x.id == s.CUSTOM and x.name == "name"), None)
    if shape.keep_names and names:
        sections.append(names)
    return s.join([*sections, custom(RECORD, record)])
