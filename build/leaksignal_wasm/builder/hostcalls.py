"""The host a filter meets while it is built: it answers the build's own questions and refuses the rest."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import wasmtime

from leaksignal_wasm.builder.deferred import Deferred, deferred_imports, implied_imports
from leaksignal_wasm.builder.sources import Absent, Origin, Source, Sources
from leaksignal_wasm.hosts import ABI_FUNCTIONS, GENERATIONS, OUR_WASI, PROXY_FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from leaksignal_wasm.wasm import Signature

OK, NOT_FOUND, BAD_ARGUMENT = 0, 1, 2
_ERRNO_BADF: Final = 8

EPOCH: Final = 1_704_067_200_000_000_000
"""What clocks show at the start of a build, in nanoseconds since 1970: 2024-01-01, always."""

TICK: Final = 1_000
"""What clocks advance at each look, so that code which waits for time to pass ends."""


@dataclass
class Observed:
    """What the host learned from the guest while it ran."""

    step: str = "start"
    """What the guest is busy with: start, sdk, import, discover, prepare, deferred, warm, callbacks."""
    importing: list[str] = field(default_factory=list)
    """The modules being executed right now, outermost first."""
    raised: tuple[str, ...] = ()
    """The modules that were being executed where the latest exception came out of one."""
    failed_in: tuple[str, ...] = ()
    """The same, of the exception that ended the build."""
    loaded: dict[str, Source] = field(default_factory=dict)
    absent: dict[str, tuple[Absent, tuple[str, ...]]] = field(default_factory=dict)
    """What was asked for and can't come along, with the chain of modules that asked."""
    refused: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    """Host calls made where there is no proxy yet, with the chain of modules being imported."""
    events: list[dict[str, Any]] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    deferred: list[tuple[Source, Deferred]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    """Deferred imports that failed, and how."""

    def event(self, name: str) -> dict[str, Any] | None:
        """Give the first report of that name."""
        return next((x for x in self.events if x["event"] == name), None)


class BuildHost:
    """All imports of the runtime, for one build.

    Wasm memory is reached through the caller; results are allocated by the guest's own
    `proxy_on_memory_allocate`, as in Envoy.
    """

    def __init__(self, sources: Sources, data: Mapping[str, bytes]) -> None:
        self.observed = Observed()
        self._sources = sources
        self._data = data
        self._looks = 0
        self._drawn = 0
        self._services: dict[str, Callable[[bytes], bytes | None]] = {
            "leaksignal.build.source": self._source,
            "leaksignal.build.report": self._report,
            "leaksignal.build.data": lambda argument: self._data.get(argument.decode()),
            "leaksignal.build.lines": self._lines,
            "leaksignal.build.deferred": self._deferred,
        }

    def define(self, linker: wasmtime.Linker) -> None:
        """Define every function that a runtime may import."""
        for name, signature in (PROXY_FUNCTIONS | ABI_FUNCTIONS["0.2.1"]).items():
            call = getattr(self, f"_{name}", None) or self._refusing(name)
            linker.define_func("env", f"proxy_{name}", _type(signature), call, access_caller=True)
        wasi = GENERATIONS[0].wasi
        for name in OUR_WASI:
            call = getattr(self, f"_{name}")
            linker.define_func("wasi_snapshot_preview1", name, _type(wasi[name]), call, access_caller=True)

    def _refusing(self, name: str) -> Callable[..., int]:
        def refuse(_caller: wasmtime.Caller, *_arguments: int) -> int:
            if self.observed.step != "warm":
                self.observed.refused.append((name, tuple(self.observed.importing)))
            return BAD_ARGUMENT

        return refuse

    # the Proxy-Wasm calls that a build answers

    def _log(self, caller: wasmtime.Caller, _level: int, message: int, size: int) -> int:
        self.observed.log.append(_read(caller, message, size).decode(errors="replace"))
        return OK

    def _get_log_level(self, caller: wasmtime.Caller, result: int) -> int:
        _write(caller, result, struct.pack("<I", 2))
        return OK

    def _get_current_time_nanoseconds(self, caller: wasmtime.Caller, result: int) -> int:
        _write(caller, result, struct.pack("<Q", self._now()))
        return OK

    def _call_foreign_function(
        self,
        caller: wasmtime.Caller,
        name: int,
        name_size: int,
        argument: int,
        argument_size: int,
        result: int,
        result_size: int,
    ) -> int:
        service = self._services.get(_read(caller, name, name_size).decode(errors="replace"))
        if service is None:
            return self._refusing("call_foreign_function")(caller)
        answer = service(_read(caller, argument, argument_size))
        if answer is None:
            return NOT_FOUND
        allocate = caller["proxy_on_memory_allocate"]
        assert isinstance(allocate, wasmtime.Func)  # noqa: S101 - the runtime's own export
        address = allocate(caller, len(answer)) if answer else 0
        if answer:
            _write(caller, address, answer)
        _write(caller, result, struct.pack("<I", address))
        _write(caller, result_size, struct.pack("<I", len(answer)))
        return OK

    # what the guest asks of the build

    def _source(self, argument: bytes) -> bytes | None:
        found = self._sources.find(argument.decode())
        if isinstance(found, Absent):
            self.observed.absent.setdefault(found.name, (found, tuple(self.observed.importing)))
            return None
        self.observed.loaded[found.name] = found
        header = {"path": found.shown, "package": found.package, "optimize": found.optimize}
        return (
            json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
            + b"\n"
            + found.text
        )

    def _report(self, argument: bytes) -> bytes:
        event = json.loads(argument, object_hook=_printable)
        match event:
            case {"event": "begin", "module": str(name)}:
                self.observed.importing.append(name)
            case {"event": "end"}:
                self.observed.importing.pop()
                self.observed.raised = ()
            case {"event": "failing"}:  # what is imported from now on serves the report of the failure
                self.observed.failed_in = self.observed.raised
            case {"event": "raised"}:
                self.observed.raised = self.observed.raised or tuple(self.observed.importing)
                self.observed.importing.pop()
            case {"event": "unavailable", "entry": str(entry), "message": str(message)}:
                self.observed.unavailable[entry] = message
            case {"event": "step", "name": str(name)}:
                self.observed.step = name
            case _:
                self.observed.events.append(event)
        return b""

    def _lines(self, argument: bytes) -> bytes | None:
        """Give the source behind a path as tracebacks show it."""
        shown = argument.decode()
        return next((x.text for x in self.observed.loaded.values() if x.shown == shown), None)

    def _deferred(self, _argument: bytes) -> bytes:
        """Name what the project's functions import, and what users' code makes the interpreter import."""
        loaded = self.observed.loaded.values()
        own = [x for x in loaded if x.origin is Origin.PROJECT]
        self.observed.deferred = [(x, entry) for x in own for entry in deferred_imports(x)]
        entries = [entry.entry for _, entry in self.observed.deferred]
        for source in loaded:
            if source.origin in (Origin.PROJECT, Origin.DEPENDENCY):
                entries += implied_imports(source)
        return "\n".join(dict.fromkeys(entries)).encode()

    # WASI

    def _fd_write(self, caller: wasmtime.Caller, fd: int, vectors: int, count: int, result: int) -> int:
        if fd not in (1, 2):
            return _ERRNO_BADF
        parts = struct.iter_unpack("<II", _read(caller, vectors, 8 * count))
        text = b"".join(_read(caller, address, size) for address, size in parts)
        self.observed.log.append(text.decode(errors="replace"))
        _write(caller, result, struct.pack("<I", len(text)))
        return 0

    def _clock_time_get(self, caller: wasmtime.Caller, _clock: int, _precision: int, result: int) -> int:
        _write(caller, result, struct.pack("<Q", self._now()))
        return 0

    def _random_get(self, caller: wasmtime.Caller, buffer: int, size: int) -> int:
        """Give the same bytes to every build; the finished module asks its own host when a VM starts."""
        self._drawn += 1
        _write(caller, buffer, hashlib.shake_128(b"build" + struct.pack("<Q", self._drawn)).digest(size))
        return 0

    def _environ_sizes_get(self, caller: wasmtime.Caller, count: int, size: int) -> int:
        _write(caller, count, bytes(4))
        _write(caller, size, bytes(4))
        return 0

    def _environ_get(self, _caller: wasmtime.Caller, _environ: int, _buffer: int) -> int:
        return 0

    def _now(self) -> int:
        self._looks += 1
        return EPOCH + self._looks * TICK


def _printable(event: dict[str, Any]) -> dict[str, Any]:
    """Spell out lone surrogates, which no terminal and no file takes."""
    return {
        key: value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
        for key, value in event.items()
    }


def _type(signature: Signature) -> wasmtime.FuncType:
    kinds = {"i32": wasmtime.ValType.i32, "i64": wasmtime.ValType.i64}
    return wasmtime.FuncType(
        [kinds[x]() for x in signature.parameters], [kinds[x]() for x in signature.results]
    )


def _memory(caller: wasmtime.Caller) -> wasmtime.Memory:
    memory = caller["memory"]
    assert isinstance(memory, wasmtime.Memory)  # noqa: S101 - the runtime's own export
    return memory


def _read(caller: wasmtime.Caller, address: int, size: int) -> bytes:
    address &= 0xFFFFFFFF
    return bytes(_memory(caller).read(caller, address, address + (size & 0xFFFFFFFF)))


def _write(caller: wasmtime.Caller, address: int, content: bytes) -> None:
    _memory(caller).write(caller, content, address & 0xFFFFFFFF)
