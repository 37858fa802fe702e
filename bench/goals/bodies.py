"""Response bodies through Envoy: what each variant adds over Envoy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.bodies import bodies
from bench.figures import Figure
from bench.gateway import Subject
from bench.rig import paired_rounds
from bench.rust import Peer
from bench.upstream import serving

if TYPE_CHECKING:
    from bench.workshop import Workshop

ROUNDS = 4
SECONDS = 2.0


def measure(workshop: Workshop) -> list[Figure]:
    peers = [workshop.peer(peer) for peer in Peer]
    subjects = [Subject("Envoy alone"), *peers, workshop.python("body")]
    files = bodies()
    figures = []
    with serving(files) as upstream:
        for name, content in files.items():
            base, *others = paired_rounds(
                subjects, rounds=workshop.rounds(ROUNDS), seconds=SECONDS, path=f"/{name}", upstream=upstream
            )
            figures.append(Figure(f"{name}, {base.subject.name}", base.cpu(), "us/request"))
            for course in others:
                added = course.cpu_over(base)
                note = f"{added * 1e3 / len(content):.2f} ns/byte" if content else ""
                figures.append(Figure(f"{name}, {course.subject.name}", added, "us/request", note=note))
    return figures
