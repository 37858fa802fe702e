"""Which functions and data of the linked runtime only some filters need.

Everything here follows from the graph of references (`_graph`): a built-in module's code hangs on its init function, the
compiler on a few entry points, and what only starts the interpreter on the exports that the finished module lacks. The one
thing a graph can't see is a call through a pointer that was stored while the interpreter started; so a function whose
address is taken anywhere counts as called.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypedDict

from leaksignal_wasm.runtime._tables import ALWAYS_KEPT, COMPILER_ENTRIES, NEVER_CALLED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaksignal_wasm.runtime._graph import Graph, Node

COMPILER, STARTUP = "compiler", "startup"
SMALLEST_RANGE = 64
"""Bytes; less than this isn't worth a line in runtime.json."""


class Group(TypedDict):
    """One group of docs/internals.md, seam 2."""

    modules: list[str]
    functions: list[int]
    data: list[list[int]]


def describe_groups(graph: Graph, modules: dict[str, str]) -> dict[str, Group]:
    """Return the groups by name. `modules` is the table of built-in modules."""
    inits = {name: _one(graph, f"wrap_{init}") for name, init in modules.items() if name not in ALWAYS_KEPT}
    exports: set[Node | None] = {None, *graph.exports.values()}
    base = graph.reach(exports, set(inits.values()))
    owners = _users(graph, inits, base)

    everything: set[Node | None] = exports | set(inits.values())
    entries: set[Node] = {index for name in COMPILER_ENTRIES for index in _named(graph, name)}
    without_compiler = graph.reach(everything, entries)
    compiler = base - without_compiler
    owners.update(dict.fromkeys(compiler, (COMPILER,)))

    never: set[Node] = {index for name in NEVER_CALLED for index in _named(graph, name)}
    running: set[Node | None] = {None, *(i for name, i in graph.exports.items() if not _of_the_build(name))}
    running |= set(inits.values())
    running |= {node for node in without_compiler if isinstance(node, int) and node in graph.address_taken}
    startup = (base - compiler) - graph.reach(running - never, entries | never)
    # data could be pointed at from anywhere in the snapshot, so only the functions go
    owners.update({node: (STARTUP,) for node in startup if isinstance(node, int)})
    return _assemble(graph, owners)


def _of_the_build(export: str) -> bool:
    return export.startswith("ls_") or export == "_initialize"


def _named(graph: Graph, name: str) -> set[int]:
    found = graph.functions.get(name)
    if not found:
        raise ValueError(f"the linked runtime has no function {name}")
    return found


def _one(graph: Graph, name: str) -> int:
    (index,) = _named(graph, name)
    return index


def _users(graph: Graph, inits: dict[str, int], base: set[Node]) -> dict[Node, tuple[str, ...]]:
    """Say for whatever hangs on init functions alone which modules need it."""
    users: dict[Node, list[str]] = defaultdict(list)
    for name, init in sorted(inits.items()):
        for node in graph.reach({init}, base | (set(inits.values()) - {init})):
            users[node].append(name)
    return {node: tuple(names) for node, names in users.items()}


def _assemble(graph: Graph, owners: dict[Node, tuple[str, ...]]) -> dict[str, Group]:
    groups: dict[str, Group] = {}
    for owner in sorted(set(owners.values())):
        named = [name for name in owner if name not in (COMPILER, STARTUP)]
        groups["+".join(owner)] = {"modules": named, "functions": [], "data": []}
    for node, owner in owners.items():
        if isinstance(node, int) and node >= graph.imported:
            groups["+".join(owner)]["functions"].append(node)
    for owner, address, size in _ranges(graph, owners):
        groups["+".join(owner)]["data"].append([address, size])
    for group in groups.values():
        group["functions"].sort()
    return {name: group for name, group in groups.items() if group["functions"] or group["data"]}


def _ranges(graph: Graph, owners: dict[Node, tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Yield (owner, address, size) for memory that has one owner only: merged strings can share bytes."""
    edges: list[tuple[int, int, tuple[str, ...]]] = []
    for block in graph.blocks:
        owner = owners.get(block, ())
        if owner == (COMPILER,) and block.address >= graph.constants_end:
            owner = ()  # a type object of the compiler's can be linked from live ones
        edges += [(block.address, 1, owner), (block.address + block.size, -1, owner)]
    active: dict[tuple[str, ...], int] = defaultdict(int)
    before = 0
    pending: tuple[tuple[str, ...], int, int] | None = None
    for address, step, owner in sorted(edges):
        alone = [name for name, depth in active.items() if depth]
        if len(alone) == 1 and alone[0] and address > before:
            if pending and pending[0] == alone[0] and pending[1] + pending[2] == before:
                pending = (alone[0], pending[1], pending[2] + address - before)
            else:
                if pending and pending[2] >= SMALLEST_RANGE:
                    yield pending
                pending = (alone[0], before, address - before)
        active[owner] += step
        before = address
    if pending and pending[2] >= SMALLEST_RANGE:
        yield pending
