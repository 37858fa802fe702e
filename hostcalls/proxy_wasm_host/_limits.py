"""What a VM may use, and what happens to streams once it has failed."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from proxy_wasm_host._abi import MAX_MEMORY


@dataclass(frozen=True)
class Limits:
    """Bounds of one VM: `memory` in bytes, `callback_seconds` of wall time a callback (None: no bound)."""

    memory: int = MAX_MEMORY
    callback_seconds: float | None = 10.0


class FailurePolicy(enum.Enum):
    """What a trap means for the streams of its VM. All but RAISE are Envoy's `failure_policy`."""

    RAISE = "raise"
    """The call into the stream raises `ModuleTrapped`; later ones on that VM too."""
    FAIL_CLOSED = "fail_closed"
    """Streams are answered with 503 (TCP: closed)."""
    FAIL_OPEN = "fail_open"
    """New streams go on without the filter; those in the VM get 503, as in Envoy (`quirks=False`: they go on too)."""
    FAIL_RELOAD = "fail_reload"
    """As FAIL_CLOSED, but the next new stream gets a new VM, at most once in `reload_seconds`."""
