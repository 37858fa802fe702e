"""Envoy's resident memory at rest after some load, over the no-op module's."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure, at_most
from bench.gateway import Gateway, Subject
from bench.load import drive

if TYPE_CHECKING:
    from bench.workshop import Workshop

WORKERS = 3
LOAD_SECONDS = 2.0
SETTLE_SECONDS = 3.0
"""Envoy hands freed memory back once a second, by the bootstrap's memory_allocator_manager."""


def measure(workshop: Workshop) -> list[Figure]:
    noop, python = workshop.noop(), workshop.python("headers")
    one: list[float] = []
    further: list[float] = []
    plain: list[float] = []
    peaks: list[float] = []
    for _ in range(workshop.rounds(5)):
        base, _ = _memory(noop, 1)
        mine, peak = _memory(python, 1)
        base_more, _ = _memory(noop, WORKERS)
        mine_more, _ = _memory(python, WORKERS)
        one.append(mine - base)
        further.append(((mine_more - base_more) - (mine - base)) / (WORKERS - 1))
        plain.append(mine)
        peaks.append(peak)
    return [
        Figure("memory over the no-op wasm, one worker", median(one), "MiB", at_most(80)),
        Figure("... for each further worker", median(further), "MiB", at_most(6)),
        Figure("Envoy's memory in all, one worker", median(plain), "MiB", note=f"peak {median(peaks):.0f}"),
    ]


def _memory(subject: Subject, workers: int) -> tuple[float, float]:
    """Return resident memory at rest and at its peak, in MiB."""
    with Gateway(subject, concurrency=workers) as gateway:
        drive(gateway.port, seconds=LOAD_SECONDS, connections=16 * workers)
        time.sleep(SETTLE_SECONDS)
        return gateway.envoy.rss() / (1 << 20), gateway.envoy.peak_rss() / (1 << 20)
