"""Imports that happen when a function runs, which in a snapshot is too late: written ones, and implied ones."""

from __future__ import annotations

import ast
import encodings
import encodings.aliases
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaksignal_wasm.builder.sources import Source

_FUNCTIONS: Final = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_CODED: Final = frozenset(
    {"decode", "encode", "str", "bytes", "bytearray", "lookup", "getdecoder", "getencoder"}
)
_IN_C: Final = frozenset({"utf_8", "latin_1", "ascii", "utf_16", "utf_32"})  # needs no module of `encodings`
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


def implied_imports(source: Source) -> list[str]:
    """List modules that the interpreter imports by itself when code runs: codecs by name, and `_strptime`.

    Only what stands in the source as a constant is seen.
    """
    try:
        tree = ast.parse(source.text)
    except (SyntaxError, ValueError, RecursionError):
        return []
    found: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == "strptime":
            found["_strptime"] = None
        if isinstance(node, ast.Call) and _called(node) in _CODED:
            found.update({f"encodings.{codec}": None for codec in map(_codec, _constants(node)) if codec})
    return list(found)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _constants(node: ast.Call) -> list[str]:
    values = [*node.args, *(x.value for x in node.keywords if x.arg == "encoding")]
    return [x.value for x in values if isinstance(x, ast.Constant) and isinstance(x.value, str)]


def _codec(name: str) -> str | None:
    """Give the module of `encodings` behind a codec's name, if it takes one."""
    if not name.isascii():
        return None
    normal = encodings.normalize_encoding(name).lower()
    module = encodings.aliases.aliases.get(normal, normal)
    known = module in encodings.aliases.aliases.values() or module in (
        "idna",
        "punycode",
        "utf_8_sig",
        "charmap",
    )
    return module if known and module not in _IN_C else None


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
