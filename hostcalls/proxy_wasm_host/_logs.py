"""Log lines as the proxy would print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from proxy_wasm_host._abi import LogLevel


@dataclass(frozen=True)
class LogLine:
    """One line a module (or the host about a module) logged.

    `plugin` and `vm_id` are as configured, `context_id` is the context that was effective (0 for the VM
    itself).
    """

    level: LogLevel
    message: str
    plugin: str
    vm_id: str
    context_id: int

    def __str__(self) -> str:
        where = " ".join(part for part in (self.plugin, self.vm_id) if part)
        return f"[{self.level.name.lower()}] wasm log{' ' + where if where else ''}: {self.message}"
