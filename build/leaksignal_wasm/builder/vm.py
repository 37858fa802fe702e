"""The runtime under wasmtime while a module is built: start Python, run source, seal, read memory."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import wasmtime

from leaksignal_wasm.builder.cache import compiled
from leaksignal_wasm.wasm import Export, Kind, Module
from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.rewrite import export_section, replaced
from leaksignal_wasm.wasm.sections import join

if TYPE_CHECKING:
    from leaksignal_wasm.builder.hostcalls import BuildHost

KEEP_COMPILER: Final = 1
"""`ls_seal`'s flag."""

_STACK: Final = 2 << 20
"""Bytes of native stack for wasm code: CPython's compiler recurses deeply; wasmtime takes no more."""

_SLICE: Final = 0.2
"""Seconds between two looks at the clock, and at signals that another thread was given."""

_TRAPS: Final = {
    wasmtime.TrapCode.STACK_OVERFLOW: "its stack ran out",
    wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS: "it read or wrote outside of its memory; a stack that ran out can do that",
    wasmtime.TrapCode.UNREACHABLE: "it ended itself",
    None: "it ended itself",
}

_WATCHED: Final = "ls_global_"
_SETTINGS: Final = f"epochs, stack {_STACK}"


class InternalError(RuntimeError):
    """The runtime broke an assumption that the snapshot rests on: a defect of ours, not of the user's."""


class VmTimeoutError(Exception):
    """The guest did not come back in time."""


class VmTrapError(Exception):
    """The guest ended in a trap."""


@dataclass(frozen=True, slots=True)
class _Watch:
    """A variable global of the runtime, exported for the build under `name`, and the value to find it at."""

    name: str
    initial: int


class BuildVm:
    """One instance of the runtime, which lives for one build.

    `timeout` counts in seconds from here, `maximum` is what its memory may grow to in bytes.
    Every call may raise `VmTimeoutError` and `VmTrapError`.
    """

    def __init__(self, runtime: Module, host: BuildHost, *, timeout: float, maximum: int) -> None:
        self._watches, binary = _instrumented(runtime)
        config = wasmtime.Config()
        config.epoch_interruption = True
        config.max_wasm_stack = _STACK
        config.cranelift_nan_canonicalization = True  # the same bytes on every CPU
        self._engine = wasmtime.Engine(config)
        self._module = compiled(self._engine, binary, _SETTINGS)
        self._store = wasmtime.Store(self._engine)
        self._store.set_epoch_deadline(1)
        self._store.set_limits(memory_size=maximum)
        linker = wasmtime.Linker(self._engine)
        host.define(linker)
        self._exports = linker.instantiate(self._store, self._module).exports(self._store)
        self._deadline = time.monotonic() + timeout
        self._tables = self._table_sizes()

    def start(self) -> None:
        """Bring the interpreter up."""
        self._call("_initialize")
        status = self._call("ls_initialize")
        if status:
            raise InternalError(f"the interpreter did not start: status {status}")

    def execute(self, source: bytes) -> bool:
        """Run source in `__main__`; false if it raised (the traceback is in the log)."""
        address = self._call("ls_malloc", len(source))
        assert address is not None  # noqa: S101 - it has a result
        self.memory.write(self._store, source, address & 0xFFFFFFFF)
        status = self._call("ls_exec", address, len(source))
        self._call("ls_free", address)
        return status == 0

    def seal(self, flags: int) -> None:
        """Make the interpreter ready for the snapshot."""
        status = self._call("ls_seal", flags)
        if status:
            raise InternalError(f"the interpreter could not be sealed: status {status}")

    @property
    def memory(self) -> wasmtime.Memory:
        """The instance's linear memory."""
        memory = self._exports["memory"]
        assert isinstance(memory, wasmtime.Memory)  # noqa: S101 - the runtime's own export
        return memory

    def snapshot(self) -> bytes:
        """Copy the memory, once it is certain that the instance has no other state.

        Raises `InternalError` if a global is not where it started or a table grew.
        """
        for watch in self._watches:
            variable = self._exports[watch.name]
            assert isinstance(variable, wasmtime.Global)  # noqa: S101 - exported as one above
            value = variable.value(self._store)
            if value != watch.initial:
                number = watch.name.removeprefix(_WATCHED)
                raise InternalError(
                    f"global {number} of the runtime is {value}, it started as {watch.initial}"
                )
        if self._table_sizes() != self._tables:
            raise InternalError("a table of the runtime has grown")
        return bytes(self.memory.read(self._store, 0, self.memory.data_len(self._store)))

    def _table_sizes(self) -> list[int]:
        return [
            x.size(self._store) for _, x in sorted(self._exports.items()) if isinstance(x, wasmtime.Table)
        ]

    def _call(self, name: str, *arguments: int) -> int | None:
        """Call an export, on a thread of its own: this one stays free for the deadline and for Ctrl-C."""
        function = self._exports[name]
        assert isinstance(function, wasmtime.Func)  # noqa: S101 - the runtime's own export
        with ThreadPoolExecutor(1) as pool:
            before = threading.stack_size(4 * _STACK)
            running = pool.submit(function, self._store, *arguments)
            threading.stack_size(before)
            try:
                while not wait([running], _SLICE).done:
                    if time.monotonic() > self._deadline:
                        raise VmTimeoutError
                result: int | None = running.result()
            except wasmtime.Trap as trap:
                raise VmTrapError(_TRAPS.get(trap.trap_code, trap.message)) from trap
            finally:
                if not running.done():
                    self._engine.increment_epoch()
        return result


def _instrumented(runtime: Module) -> tuple[list[_Watch], bytes]:
    """Export the runtime's variable globals and its tables, so that the build can look at them."""
    exports = list(runtime.exports)
    watches = []
    for index, variable in enumerate(runtime.globals):
        if not variable.mutable:
            continue
        if variable.initial is None:
            raise InternalError(f"global {index} of the runtime has no plain initial value")
        watches.append(_Watch(f"{_WATCHED}{index}", variable.initial))
        exports.append(Export(watches[-1].name, Kind.GLOBAL, index))
    if not any(x.kind is Kind.TABLE for x in exports) and runtime.section(s.TABLE):
        exports.append(Export("ls_table", Kind.TABLE, 0))
    return watches, join(replaced(runtime, {s.EXPORT: export_section(exports)}))
