"""What a filter adds to a request without body, in Envoy's processor time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.figures import Figure, at_most
from bench.gateway import Subject
from bench.rig import paired_rounds

if TYPE_CHECKING:
    from bench.workshop import Workshop

ROUNDS = 12
SECONDS = 2.0


def measure(workshop: Workshop) -> list[Figure]:
    """Envoy answers itself: an upstream would only add noise to what is the same for all."""
    empty, headers = workshop.python("callbacks"), workshop.python("headers")
    subjects = [workshop.noop(), empty, headers, Subject("Envoy alone")]
    noop, *others = paired_rounds(subjects, rounds=workshop.rounds(ROUNDS), seconds=SECONDS)
    limits = {empty.name: at_most(20.0)}
    return [
        Figure("CPU of an empty request, no-op wasm", noop.cpu(), "us", note=f"{noop.rate():.0f} requests/s"),
        *(
            Figure(
                f"... {course.subject.name}, over that",
                course.cpu_over(noop),
                "us",
                limits.get(course.subject.name),
                f"{course.rate():.0f} requests/s, {course.errors()} errors",
            )
            for course in others
        ),
    ]
