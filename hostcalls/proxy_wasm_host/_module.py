"""Loading a module: whether it is wasm, which ABI it has, and whether imports and exports fit."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import wasmtime

from proxy_wasm_host._abi import ENTRY_POINTS, WASI_IMPORTS, WASI_MODULES, AbiVersion, callbacks, env_imports
from proxy_wasm_host._cache import compiled
from proxy_wasm_host.errors import (
    AbiVersionError,
    ComponentError,
    ExportMismatchError,
    ImportMismatchError,
    ModuleError,
    NotWasmError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAGIC: Final = b"\0asm"
_CORE: Final = b"\1\0\0\0"
_COMPONENT: Final = b"\x0d\0\1\0"
_HEADER: Final = 8
_LETTERS: Final = {"i32": "i", "i64": "I", "f32": "f", "f64": "F"}


@dataclass(frozen=True, eq=False)
class Module:
    """A module that was checked and compiled, ready for any number of VMs.

    `name` is for messages (the path, where it came from one), `imports` are `(module, name)`, `signatures`
    the exported functions with their signatures in the short form of `_abi`.
    """

    name: str
    sha256: str
    size: int
    abi: AbiVersion
    imports: tuple[tuple[str, str], ...]
    signatures: dict[str, str]
    compiled: wasmtime.Module = field(repr=False)

    @classmethod
    def load(cls, source: str | Path | bytes, *, name: str | None = None, cache: bool = True) -> Module:
        """Load a module from a path or from its bytes.

        Raises `OSError` where the file can't be read, else a `ModuleError` that says what doesn't fit.
        """
        if isinstance(source, bytes):
            code, shown = source, name or "<bytes>"
        else:
            code, shown = Path(source).read_bytes(), name or str(source)
        _check_header(code, shown)
        sha256 = hashlib.sha256(code).hexdigest()
        try:
            module = compiled(code, sha256, cache=cache)
        except wasmtime.WasmtimeError as error:
            raise NotWasmError(
                f"not a valid wasm module: {_first_line(error)}",
                where=shown,
                remedy="build it again; a truncated or half-written file looks like this",
            ) from None
        functions = {
            export.name: signature_of(export.type)
            for export in module.exports
            if isinstance(export.type, wasmtime.FuncType)
        }
        abi = _abi_version(functions, shown)
        imports = _check_imports(module, abi, shown)
        _check_exports(module, functions, abi, shown)
        return cls(shown, sha256, len(code), abi, imports, functions, module)

    @classmethod
    def from_wat(cls, text: str, *, name: str = "<wat>", cache: bool = False) -> Module:
        """Load a module from the text format, for tests."""
        try:
            code = bytes(wasmtime.wat2wasm(text))
        except wasmtime.WasmtimeError as error:
            raise NotWasmError(f"not valid wasm text: {error}", where=name) from None
        return cls.load(code, name=name, cache=cache)


def signature_of(kind: wasmtime.FuncType) -> str:
    """Return a function type in the short form: "iI:i"."""
    letters = [
        "".join(_LETTERS.get(str(value), "?") for value in values) for values in (kind.params, kind.results)
    ]
    return ":".join(letters)


def describe(signature: str) -> str:
    """Return a short signature for people: "(i32, i64) -> i32"."""
    words = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "?": "?"}
    parameters, results = signature.split(":")
    text = f"({', '.join(words[letter] for letter in parameters)})"
    return f"{text} -> {', '.join(words[letter] for letter in results)}" if results else text


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return ": ".join(lines[:1] + lines[2:3]) if lines[1:2] == ["Caused by:"] else lines[0]


def _check_header(code: bytes, name: str) -> None:
    if code[:4] != _MAGIC:
        looks = "it is empty" if not code else f"it begins with {code[:8]!r}"
        raise NotWasmError(
            f"not wasm: {looks}", where=name, remedy="give a .wasm file, which begins with \\0asm"
        )
    if code[4:_HEADER] == _COMPONENT:
        raise ComponentError(
            "a component, but Proxy-Wasm hosts load core modules",
            where=name,
            remedy="build a reactor for wasm32-wasip1 (or wasm32-wasi), without wrapping it into a component",
        )
    if code[4:_HEADER] != _CORE:
        what = "truncated" if len(code) < _HEADER else f"of an unknown wasm version {code[4:8].hex()}"
        raise NotWasmError(f"the module is {what}", where=name, remedy="build or download it again")


def _abi_version(functions: Iterable[str], name: str) -> AbiVersion:
    found = [export for export in functions if export.startswith("proxy_abi_version_")]
    for version in AbiVersion:
        if version.value in found:
            return version
    known = ", ".join(version.value for version in AbiVersion)
    what = f"an unknown ABI version: {', '.join(found)}" if found else "no Proxy-Wasm ABI version is exported"
    raise AbiVersionError(what, where=name, remedy=f"build it with a Proxy-Wasm SDK; known are {known}")


def _check_imports(module: wasmtime.Module, abi: AbiVersion, name: str) -> tuple[tuple[str, str], ...]:
    offered = {("env", call): signature for call, signature in env_imports(abi).items()}
    offered |= {(wasi, call): signature for wasi in WASI_MODULES for call, signature in WASI_IMPORTS.items()}
    wrong: list[str] = []
    imports: list[tuple[str, str]] = []
    for item in module.imports:
        key = (item.module, item.name or "")
        shown = f"{key[0]}.{key[1]}"
        signature = offered.get(key)
        if not isinstance(item.type, wasmtime.FuncType):
            wrong.append(f"{shown}: not a function, and hosts offer nothing else")
        elif signature is None:
            wrong.append(f"{shown}: no such function for ABI {abi}")
        elif signature_of(item.type) != signature:
            wrong.append(
                f"{shown}: wants {describe(signature_of(item.type))}, hosts offer {describe(signature)}"
            )
        imports.append(key)
    if wrong:
        raise ImportMismatchError(
            "imports that no Proxy-Wasm host offers:\n    " + "\n    ".join(wrong),
            where=name,
            remedy="a proxy refuses such a module too; link without the code that needs them",
        )
    return tuple(imports)


def _check_exports(module: wasmtime.Module, functions: dict[str, str], abi: AbiVersion, name: str) -> None:
    wanted = {**callbacks(abi), **ENTRY_POINTS}
    wrong = [
        f"{export}: has {describe(signature)}, hosts call {describe(wanted[export])}"
        for export, signature in functions.items()
        if export in wanted and signature != wanted[export] and export != "main"
    ]
    error: ModuleError | None = None
    if wrong:
        what = "exports with a wrong signature:\n    " + "\n    ".join(wrong)
        error = ExportMismatchError(what, where=name, remedy=f"declare them as ABI {abi} has them")
    elif not any(
        export.name == "memory" and isinstance(export.type, wasmtime.MemoryType) for export in module.exports
    ):
        error = ExportMismatchError("no memory is exported", where=name, remedy='export it as "memory"')
    elif "malloc" not in functions and "proxy_on_memory_allocate" not in functions:
        error = ExportMismatchError(
            "neither proxy_on_memory_allocate nor malloc is exported",
            where=name,
            remedy="export one: the host allocates in the module's memory to hand values over",
        )
    if error is not None:
        raise error
