"""The engine all VMs share, and the ticker that makes time limits work."""

from __future__ import annotations

import functools
import math
import os
import threading
from typing import Final

import wasmtime

TICK_SECONDS: Final = 0.05
"""How often a running module is looked at; time limits are kept to within this."""
UNBOUNDED: Final = 1 << 40
"""An epoch deadline no run gets to."""
STACK_BYTES: Final = 1 << 20
"""Native stack for wasm; V8 in Envoy has about as much."""
CONFIGURATION: Final = f"epoch stack={STACK_BYTES}"
"""What compiled code depends on besides the engine's version; part of the cache key."""


@functools.cache
def engine() -> wasmtime.Engine:
    """Return the process's engine, its ticker running."""
    config = wasmtime.Config()
    config.epoch_interruption = True
    config.max_wasm_stack = STACK_BYTES
    made = wasmtime.Engine(config)
    _start_ticker(made)
    return made


def ticks(seconds: float | None) -> int:
    """Return the epoch deadline for a bound in seconds."""
    return UNBOUNDED if seconds is None else math.ceil(seconds / TICK_SECONDS) + 1


def _start_ticker(made: wasmtime.Engine) -> None:
    stop = threading.Event()

    def tick() -> None:
        while not stop.wait(TICK_SECONDS):
            made.increment_epoch()

    threading.Thread(target=tick, name="proxy-wasm-epoch", daemon=True).start()


def _after_fork() -> None:
    if engine.cache_info().currsize:
        _start_ticker(engine())


# A forked child keeps the engine but not the thread.
os.register_at_fork(after_in_child=_after_fork)
