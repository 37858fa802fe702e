"""Imports inside of functions: they happen when the function runs, and in a snapshot that is too late."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaksignal_wasm.builder.sources import Source


def deferred_imports(source: Source) -> list[tuple[str, int]]:
    """List what a module's functions import, as `module` or `module:member`, each with its line.

    A source that this Python can't parse has none: the guest, whose grammar counts, imported it.
    """
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    package = source.name if source.package else source.name.rpartition(".")[0]
    return list(dict.fromkeys(_inside_functions(tree, package, inside=False)))


def _inside_functions(node: ast.AST, package: str, *, inside: bool) -> Iterator[tuple[str, int]]:
    pending = [(node, inside)]
    while pending:
        current, within = pending.pop()
        if within and isinstance(current, ast.Import):
            yield from ((alias.name, current.lineno) for alias in current.names)
        elif within and isinstance(current, ast.ImportFrom):
            base = _absolute(current, package)
            if base:
                yield from ((f"{base}:{alias.name}", current.lineno) for alias in current.names)
        if isinstance(current, ast.If) and "TYPE_CHECKING" in ast.dump(current.test):
            pending += [(child, within) for child in reversed(current.orelse)]
            continue
        within = within or isinstance(current, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        pending += [(child, within) for child in reversed(list(ast.iter_child_nodes(current)))]


def _absolute(node: ast.ImportFrom, package: str) -> str | None:
    if not node.level:
        return node.module
    parts = package.split(".")
    if node.level > len(parts):
        return None
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
