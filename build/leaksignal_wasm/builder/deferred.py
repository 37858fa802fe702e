"""Imports inside of functions: they happen when the function runs, and in a snapshot that is too late."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaksignal_wasm.builder.sources import Source

_FUNCTIONS: Final = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_CATCHES: Final = frozenset({"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


@dataclass(frozen=True, slots=True)
class Deferred:
    """One import inside of a function."""

    entry: str
    """`module`, or `module:member` where the member may be a module itself."""
    line: int
    guarded: bool
    """The code around it is prepared for an ImportError."""


def deferred_imports(source: Source) -> list[Deferred]:
    """List what a module's functions import.

    A source that this Python can't parse has none: the guest, whose grammar counts, imported it.
    """
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    package = source.name if source.package else source.name.rpartition(".")[0]
    return list(_inside_functions(tree, package))


def _inside_functions(tree: ast.AST, package: str) -> Iterator[Deferred]:
    pending = [(tree, False, False)]
    while pending:
        node, inside, guarded = pending.pop()
        if inside and isinstance(node, ast.Import | ast.ImportFrom):
            yield from (Deferred(entry, node.lineno, guarded) for entry in _entries(node, package))
        inside = inside or isinstance(node, _FUNCTIONS)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += [(child, inside, guarded) for child in reversed(node.orelse)]
        elif isinstance(node, ast.Try) and any(map(_catches, node.handlers)):
            rest = [*node.handlers, *node.orelse, *node.finalbody]
            pending += [(child, inside, guarded) for child in reversed(rest)]
            pending += [(child, inside, True) for child in reversed(node.body)]
        else:
            pending += [(child, inside, guarded) for child in reversed(list(ast.iter_child_nodes(node)))]


def _catches(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    return any(isinstance(x, ast.Name) and x.id in _CATCHES for x in ast.walk(handler.type))


def _entries(node: ast.Import | ast.ImportFrom, package: str) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = package.split(".") if package else []
        if node.level > len(parts):
            return []
        base = ".".join([*parts[: len(parts) - node.level + 1], *([base] if base else [])])
    return [f"{base}:{alias.name}" for alias in node.names]
