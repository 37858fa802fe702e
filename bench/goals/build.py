"""How long `build` takes once the runtime is there."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure, at_most

if TYPE_CHECKING:
    from bench.workshop import Workshop


def measure(workshop: Workshop) -> list[Figure]:
    workshop.build("headers")
    times = [workshop.build("headers") for _ in range(workshop.rounds(5))]
    note = f"{min(times):.2f} to {max(times):.2f}"
    return [Figure("`build`, warm", median(times), "s", at_most(5.0), note)]
