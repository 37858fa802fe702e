"""Many requests through one Envoy: does memory stay, does anything fail?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bench.bodies import bodies
from bench.figures import Figure, at_most
from bench.gateway import Gateway
from bench.load import drive
from bench.upstream import serving

if TYPE_CHECKING:
    from bench.workshop import Workshop

REQUESTS = 1_000_000
QUICK_REQUESTS = 100_000
LEGS = 10
BLOCK_SECONDS = 5.0
PATH = "/1k.json"
REST_SECONDS = 15
"""At most so long Envoy gets, after each leg, to give freed memory back."""


def measure(workshop: Workshop) -> list[Figure]:
    total = QUICK_REQUESTS if workshop.quick else REQUESTS
    with serving(bodies()) as upstream, Gateway(workshop.python("headers"), upstream) as gateway:
        soak = _Soak(gateway)
        memory = [soak.until(total * (leg + 1) // LEGS) for leg in range(LEGS)]
        failed = sum(gateway.envoy.stats(r"^http\.ingress\.downstream_rq_5xx$").values())
        complaints = len(gateway.envoy.log_lines())
    return [
        Figure(
            f"growth from request {total // LEGS:,} to {soak.sent:,}",
            (memory[-1] - memory[0]) / memory[0] * 100,
            "%",
            at_most(2.0),
            "MiB after each tenth: " + ", ".join(f"{each:.1f}" for each in memory),
        ),
        Figure(
            "... errors",
            soak.errors + failed + complaints,
            "",
            at_most(0),
            f"{soak.sent / soak.seconds:.0f} requests/s",
        ),
    ]


class _Soak:
    """Load in blocks, counted."""

    def __init__(self, gateway: Gateway) -> None:
        self.sent = 0
        self.errors = 0
        self.seconds = 0.0
        self._gateway = gateway

    def until(self, requests: int) -> float:
        """Send until so many requests have been answered in all; return the memory at rest then, in MiB."""
        while self.sent < requests:
            rate = self.sent / self.seconds if self.sent else requests / BLOCK_SECONDS
            load = drive(self._gateway.port, PATH, seconds=min(BLOCK_SECONDS, (requests - self.sent) / rate))
            self.sent += load.requests
            self.errors += load.errors
            self.seconds += load.seconds
        return self._at_rest()

    def _at_rest(self) -> float:
        before = 0
        for _ in range(REST_SECONDS):
            now = self._gateway.envoy.rss()
            if abs(now - before) < 100_000:
                break
            before = now
            time.sleep(1)
        return now / (1 << 20)
