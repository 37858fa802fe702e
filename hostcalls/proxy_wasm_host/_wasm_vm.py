"""A VM that runs a wasm module under wasmtime."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import wasmtime

from proxy_wasm_host._abi import (
    CALLBACKS,
    ENTRY_POINTS,
    RESTRICTED_AT_START,
    WASI_IMPORTS,
    AbiVersion,
    LogLevel,
    Status,
    callbacks,
    env_imports,
)
from proxy_wasm_host._engine import TICK_SECONDS, engine, ticks
from proxy_wasm_host._ffi import Guest, Raised, context_address, host_function, set_deadline
from proxy_wasm_host._imports import Imports
from proxy_wasm_host._memory import Memory
from proxy_wasm_host._vm import Vm
from proxy_wasm_host._wasi import NOTCAPABLE, Wasi
from proxy_wasm_host.errors import (
    MemoryLimitExceeded,
    ModuleFailedError,
    ModuleTrapped,
    ProxyWasmHostError,
    TimeLimitExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_wasm_host._host import Host
    from proxy_wasm_host._limits import FailurePolicy, Limits
    from proxy_wasm_host._module import Module

_BACKTRACE_FRAMES = 20


class WasmVm(Vm):
    """One instance of a module. Made by `Host.vm()`; `module` and `limits` are as given there."""

    def __init__(
        self,
        host: Host,
        module: Module,
        *,
        vm_id: str,
        configuration: bytes,
        limits: Limits,
        environment: Mapping[str, str],
        policy: FailurePolicy,
        reload_seconds: float,
        capabilities: frozenset[str] | None,
    ) -> None:
        super().__init__(
            host, vm_id=vm_id, configuration=configuration, environment=environment, policy=policy
        )
        self.module = module
        self.limits = limits
        self.is_0_1_0 = module.abi is AbiVersion.V0_1_0
        self._capabilities = capabilities
        self._reload_nanoseconds = round(reload_seconds * 1_000_000_000)
        self._loaded_at = host.clock.monotonic()
        self._deadline = ticks(limits.callback_seconds)
        self._instantiate()

    # From module to running instance.

    def _instantiate(self) -> None:
        self._raised = Raised()
        self._running = 0
        self._starting = True
        self._store: wasmtime.Store | None = wasmtime.Store(engine())
        store = self._store
        store.set_limits(memory_size=self.limits.memory)
        self._context = context_address(store)
        self._imports = Imports(self.host_calls, self._allocate, quirks=self.host.quirks)
        self._wasi = Wasi(self, lambda: self._imports.memory).functions()
        self._kept: list[object] = []
        externs = [self._link(*key) for key in self.module.imports]
        set_deadline(self._context, self._deadline)
        try:
            instance = wasmtime.Instance(store, self.module.compiled, externs)
        except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
            raise self._instantiation_failed(error) from None
        self._exports = exports = instance.exports(store)
        memory = exports["memory"]
        if not isinstance(memory, wasmtime.Memory):
            raise ProxyWasmHostError('the export "memory" is no memory', where=self.module.name)
        self.memory = self._imports.memory = Memory(memory, store)
        self._guests: dict[str, Guest] = {}
        wanted = {**callbacks(self.module.abi), **ENTRY_POINTS}
        for name, signature in self.module.signatures.items():
            func = exports[name]
            if name in wanted and isinstance(func, wasmtime.Func):
                self._guests[name] = Guest(self._context, func, signature, self._raised)
        self._malloc = self._guests.get("malloc") or self._guests["proxy_on_memory_allocate"]
        self.functions = {
            name: self._runner(name, guest)
            for name, guest in self._guests.items()
            if name in CALLBACKS and self._allowed(name)
        }
        self._start()
        self._starting = False

    def _allowed(self, name: str) -> bool:
        return self._capabilities is None or name in self._capabilities

    def _link(self, module: str, name: str) -> wasmtime.Func:
        """Return the host function for an import; the module's signature was checked when it was loaded."""
        signature = env_imports(self.module.abi)[name] if module == "env" else WASI_IMPORTS[name]
        function = self._imports.function(name) if module == "env" else self._wasi[name]
        if not self._allowed(name) and (module != "env" or name.startswith("proxy_")):
            function = self._refusal(name, int(Status.INTERNAL_FAILURE) if module == "env" else NOTCAPABLE)
        elif self.host.quirks and name in RESTRICTED_AT_START:
            function = self._restricted(name, function)
        func, keep = host_function(self._context, signature, function, self._raised)
        self._kept.append(keep)
        return func

    def _refusal(self, name: str, answer: int) -> Callable[..., int | None]:
        def refuse(*_arguments: int) -> int:
            text = f"attempted call to restricted capability: {name}"
            self.host.log_line(self.current, LogLevel.ERROR, text.encode())
            return answer

        return refuse

    def _restricted(self, name: str, function: Callable[..., int | None]) -> Callable[..., int | None]:
        """Refuse a host call while the start function runs, as Envoy does."""

        def guarded(*arguments: int) -> int | None:
            if self._starting:
                raise ModuleTrapped(
                    "start function",
                    f"{name} can't be called before proxy_on_vm_start",
                    where=self.module.name,
                    remedy="move the call into a callback; at start there is no context yet",
                )
            return function(*arguments)

        return guarded

    def _start(self) -> None:
        """Run `_initialize` and `main`, or `_start`."""
        guests = self._guests
        if "_initialize" in guests:
            entries = ["_initialize", *[name for name in ("main", "__main_void") if name in guests][:1]]
        else:
            entries = [name for name in ("_start",) if name in guests]
        for name in entries:
            arguments = (0, 0) if self.module.signatures[name].startswith("ii") else ()
            self._runner(name, guests[name])(*arguments)

    def _instantiation_failed(self, error: Exception) -> ModuleFailedError:
        text = str(error)
        if "memory minimum size" in text or "memory_size" in text or "exceeds memory limits" in text:
            return MemoryLimitExceeded(
                "instantiation",
                text.splitlines()[0],
                where=self.module.name,
                remedy=f"allow more than {self.limits.memory} bytes (Limits.memory), or shrink the module",
            )
        if isinstance(error, wasmtime.Trap):
            return self._trapped("instantiation", error)
        return ModuleTrapped("instantiation", text, where=self.module.name)

    # Calls into the module.

    def _runner(self, name: str, guest: Guest) -> Callable[..., int]:
        """Return the callback `name` with its time limit, failing as `ModuleTrapped`."""
        context, deadline = self._context, self._deadline

        def run(*arguments: int) -> int:
            if not self._running:
                set_deadline(context, deadline)
            self._running += 1
            try:
                return guest(*arguments)
            except wasmtime.Trap as trap:
                raise self._trapped(name, trap) from None
            except wasmtime.WasmtimeError as error:
                raise ModuleTrapped(name, str(error), where=self.module.name) from None
            finally:
                self._running -= 1

        return run

    def export(self, name: str) -> Callable[..., int]:
        """Return any exported function, for tests of modules with functions of their own; i32 and i64 only."""
        func = self._exports[name]
        if not isinstance(func, wasmtime.Func):
            raise ProxyWasmHostError(f"the export {name!r} is no function", where=self.module.name)
        return self._runner(name, Guest(self._context, func, self.module.signatures[name], self._raised))

    def _allocate(self, size: int) -> int:
        """Ask the module for memory, in the middle of a host call."""
        return self._malloc(size)

    def _trapped(self, name: str, trap: wasmtime.Trap) -> ModuleTrapped:
        frames = tuple(
            f"{frame.func_name or f'function {frame.func_index}'} + 0x{frame.func_offset:x}"
            for frame in trap.frames[:_BACKTRACE_FRAMES]
        )
        if trap.trap_code is wasmtime.TrapCode.INTERRUPT:
            return TimeLimitExceeded(
                name,
                f"it ran longer than {self.limits.callback_seconds} s",
                backtrace=frames,
                context_id=self.current.id,
                where=self.module.name,
                remedy=f"look for an endless loop, or raise Limits.callback_seconds (in steps of {TICK_SECONDS})",
            )
        return ModuleTrapped(
            name, _reason(trap), backtrace=frames, context_id=self.current.id, where=self.module.name
        )

    # Failure and end.

    def fail(self, error: ModuleFailedError) -> None:
        """Take the VM out of use."""
        if self.failure is None:
            self._failed_at = self.host.clock.monotonic()
        super().fail(error)

    def reload(self) -> None:
        """Replace a failed instance and start its plugins again, at most once per `reload_seconds`."""
        now = self.host.clock.monotonic()
        if now - self._loaded_at < self._reload_nanoseconds:
            return
        self._loaded_at = now
        for plugin in self.plugins:
            for stream in list(plugin.streams.values()):
                self.contexts.pop(stream.context.id, None)
                stream.orphaned = True
            self.set_tick_period(plugin.context, 0)
        self.pending_done.clear()
        self.failure = None
        self.current = self.vm_context
        self.effective_id = 0
        try:
            self._instantiate()
            for plugin in self.plugins:
                plugin.start(start_vm=True)
        except ModuleFailedError as error:
            self.fail(error)

    def _opened(self) -> wasmtime.Store:
        assert self._store is not None  # noqa: S101 -- only close() takes it away
        return self._store

    def _release(self) -> None:
        self.functions = {}
        self._guests = {}
        if self._store is not None:
            self.memory.release()
            self._store.close()
            self._store = None


def _reason(trap: wasmtime.Trap) -> str:
    """Return the engine's words for a trap, which stand after the backtrace in its message."""
    found = re.search(r"wasm trap: (.+)", trap.message)
    return found[1].strip() if found else trap.message.splitlines()[0]
