"""Envoy's start: from the process to the first 200, which it answers itself."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure, at_most
from bench.gateway import Gateway, Subject
from bench.rust import Peer

if TYPE_CHECKING:
    from bench.workshop import Workshop

TIMES_THE_PEER = 2.0


def measure(workshop: Workshop) -> list[Figure]:
    peers = [workshop.peer(Peer.SET_1_7), workshop.peer(Peer.SET_1_13)]
    filters = [workshop.python("smallest"), workshop.python("headers")]
    subjects = [Subject("Envoy alone"), workshop.noop(), *peers, *filters]
    times: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    work: dict[str, list[float]] = {subject.name: [] for subject in subjects}
    for number in range(workshop.rounds(7)):
        for subject in subjects if number % 2 == 0 else reversed(subjects):
            with Gateway(subject) as gateway:
                times[subject.name].append(gateway.first_answer)
                work[subject.name].append(gateway.envoy.cpu_seconds())
    figures = [_time(name, values, work[name]) for name, values in times.items()]
    for peer in peers:
        ratio = median(mine / its for mine, its in zip(times[filters[1].name], times[peer.name], strict=True))
        figures.append(Figure(f"start, headers over {peer.name}", ratio, "x", at_most(TIMES_THE_PEER)))
    return figures


def _time(name: str, values: list[float], work: list[float]) -> Figure:
    note = f"{min(values):.2f} to {max(values):.2f}; {median(work):.2f} s of processor time"
    return Figure(f"start to first answer, {name}", median(values), "s", note=note)
