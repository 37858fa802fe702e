"""What can be said of any Proxy-Wasm module by reading it."""

from __future__ import annotations

import gzip
import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from leaksignal_wasm.builder.snapshot import RECORD
from leaksignal_wasm.hosts import CALLBACKS, GENERATIONS, abi_version, refusals
from leaksignal_wasm.wasm import Import, Kind, Module


@dataclass(frozen=True, slots=True)
class SectionSize:
    """A section and what it weighs."""

    name: str
    size: int
    gzip_size: int


@dataclass(frozen=True, slots=True)
class ImportFound:
    """An import, and the generations of Envoy that refuse it."""

    name: str
    signature: str
    refused_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """Everything `inspect` found."""

    size: int
    gzip_size: int
    sha256: str
    abi: str | None
    pages: int | None
    """Initial pages of the module's own memory."""
    maximum_pages: int | None
    sections: tuple[SectionSize, ...]
    imports: tuple[ImportFound, ...]
    exports: tuple[str, ...]
    wrong_exports: tuple[str, ...]
    """Callbacks with a signature that no host calls."""
    refusals: dict[str, list[str]]
    """For each generation of Envoy, why it would not load the module."""
    record: dict[str, Any] | None
    """The `leaksignal.build` section, for modules built here."""

    def as_json(self) -> dict[str, Any]:
        """Give plain data."""
        return asdict(self)


def inspect(binary: bytes) -> Inspection:
    """Read a module; raises `WasmFormatError` if it isn't a well-formed core module."""
    module = Module.parse(binary)
    refused = {x.name: refusals(module, x) for x in GENERATIONS}
    titles = {name: {reason.partition(": ")[0] for reason in reasons} for name, reasons in refused.items()}
    memory = next(iter(module.memories), None)
    return Inspection(
        size=len(binary),
        gzip_size=len(gzip.compress(binary, 6, mtime=0)),
        sha256=hashlib.sha256(binary).hexdigest(),
        abi=abi_version(module),
        pages=memory.minimum if memory else None,
        maximum_pages=memory.maximum if memory else None,
        sections=tuple(
            SectionSize(x.name, len(x.payload), len(gzip.compress(x.payload, 6, mtime=0)))
            for x in module.sections
        ),
        imports=tuple(_import(module, entry, titles) for entry in module.imports),
        exports=tuple(x.name for x in module.exports),
        wrong_exports=tuple(_wrong_exports(module)),
        refusals=refused,
        record=_record(module),
    )


def _import(module: Module, entry: Import, refused: dict[str, set[str]]) -> ImportFound:
    title = f"{entry.module}.{entry.name}"
    if entry.kind is Kind.FUNCTION and entry.type_index < len(module.types):
        signature = str(module.types[entry.type_index])
    else:
        signature = entry.kind.name.lower()
    return ImportFound(title, signature, tuple(name for name, titles in refused.items() if title in titles))


def _wrong_exports(module: Module) -> list[str]:
    if abi_version(module) not in ("0.2.0", "0.2.1"):
        return []
    wrong = []
    for export in module.exports:
        wanted = CALLBACKS.get(export.name)
        if wanted is None:
            continue
        if export.kind is not Kind.FUNCTION:
            wrong.append(f"{export.name} is a {export.kind.name.lower()}")
            continue
        try:
            own = module.signature(export.index)
        except IndexError:
            wrong.append(f"{export.name} is function {export.index}, which does not exist")
            continue
        if own != wanted:
            wrong.append(f"{export.name} is {own}, hosts call {wanted}")
    return wrong


def _record(module: Module) -> dict[str, Any] | None:
    content = module.custom(RECORD)
    if content is None:
        return None
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return record if _well_formed(record) else None


def _well_formed(record: object) -> bool:
    """Tell whether the section is ours: anybody may write one of that name."""
    if not isinstance(record, dict) or record.get("format") != 1:
        return False
    modules, data, builtin = record.get("modules"), record.get("data"), record.get("builtin")
    return (
        isinstance(modules, list)
        and all(
            isinstance(x, dict)
            and isinstance(x.get("name"), str)
            and isinstance(x.get("origin"), str)
            and isinstance(x.get("source"), int)
            and isinstance(x.get("heap", 0), int)
            for x in modules
        )
        and isinstance(data, dict)
        and all(isinstance(x, int) for x in data.values())
        and isinstance(builtin, list)
        and all(isinstance(x, str) for x in builtin)
    )
