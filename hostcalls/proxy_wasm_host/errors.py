"""Every error this package raises, one tree.

ProxyWasmHostError
 +- ModuleError             a module that can't be used, before any of its code ran
 |   +- NotWasmError            not wasm at all, truncated, or malformed
 |   +- ComponentError          a component instead of a core module
 |   +- AbiVersionError         no Proxy-Wasm ABI version, or one this host doesn't know
 |   +- ImportMismatchError     an import that no host offers, or with another signature
 |   +- ExportMismatchError     a callback with another signature, no memory, or no allocator
 +- ModuleFailedError       a module that failed while it ran
 |   +- ModuleTrapped           a trap, with callback and backtrace
 |   |   +- TimeLimitExceeded       a callback ran longer than Limits.callback_seconds
 |   |   +- MemoryLimitExceeded     the module needs more memory than Limits.memory at its start
 |   +- StartFailed             proxy_on_vm_start answered false
 |   +- ConfigureFailed         proxy_on_configure answered false
 +- StreamStateError        the conversation can't go this way (a response before its request, ...)
 +- ClosedError             used after close()
"""

from __future__ import annotations


class ProxyWasmHostError(Exception):
    """Root of all errors of this package. Says what was wrong, where, and what would be right."""

    def __init__(self, what: str, *, where: str | None = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  remedy: {self.remedy}" if self.remedy else text


class ModuleError(ProxyWasmHostError):
    """A module that can't be used; none of its code ran."""


class NotWasmError(ModuleError):
    """Not wasm, truncated, or malformed."""


class ComponentError(ModuleError):
    """A component; Proxy-Wasm hosts load core modules only."""


class AbiVersionError(ModuleError):
    """No Proxy-Wasm ABI version is exported, or none that this host knows."""


class ImportMismatchError(ModuleError):
    """An import that no Proxy-Wasm host offers, or one with another signature."""


class ExportMismatchError(ModuleError):
    """A callback with a wrong signature, no exported memory, or no allocator."""


class ModuleFailedError(ProxyWasmHostError):
    """A module that failed while it ran. Its VM is of no further use; host and other VMs are."""


class ModuleTrapped(ModuleFailedError):  # noqa: N818 -- says what happened
    """A trap in a callback.

    Attributes: `callback` (the export that ran), `reason` (the engine's words), `backtrace` (lines, innermost
    first) and `context_id` (0 for none).
    """

    def __init__(
        self,
        callback: str,
        reason: str,
        *,
        backtrace: tuple[str, ...] = (),
        context_id: int = 0,
        where: str | None = None,
        remedy: str | None = None,
    ) -> None:
        self.callback = callback
        self.reason = reason
        self.backtrace = backtrace
        self.context_id = context_id
        frames = "".join(f"\n    {line}" for line in backtrace)
        super().__init__(
            f"{callback} (context {context_id}) trapped: {reason}{frames}", where=where, remedy=remedy
        )


class TimeLimitExceeded(ModuleTrapped):
    """A callback ran longer than `Limits.callback_seconds`."""


class MemoryLimitExceeded(ModuleTrapped):
    """The module wants more memory at its start than `Limits.memory` allows."""


class StartFailed(ModuleFailedError):  # noqa: N818 -- says what happened
    """`proxy_on_vm_start` answered false."""


class ConfigureFailed(ModuleFailedError):  # noqa: N818 -- says what happened
    """`proxy_on_configure` answered false."""


class StreamStateError(ProxyWasmHostError):
    """The conversation can't go this way, as a response before its request."""


class ClosedError(ProxyWasmHostError):
    """A host, VM, plugin or stream was used after `close()`."""


class HostCallFailed(Exception):  # noqa: N818 -- not an error of the host but its answer to a guest
    """A host call's answer other than OK: `status` goes back to the guest."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(status)
