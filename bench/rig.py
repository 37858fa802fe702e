"""Paired rounds: every subject gets its turn in each round, and differences are taken within a round.

Machines drift: neighbours, clock rates, caches. A difference between two subjects of one round, a few seconds
apart, drifts little, and the median over the rounds drops the rounds that something else ran into.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from bench.gateway import Gateway, Subject
from bench.load import Load, drive

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True, slots=True)
class Round:
    """One subject's share of a round."""

    load: Load
    cpu: float
    """Microseconds of Envoy's processor time for each request."""


@dataclass(slots=True)
class Course:
    """All rounds of one subject."""

    subject: Subject
    rounds: list[Round] = field(default_factory=list)

    def cpu(self) -> float:
        return median(each.cpu for each in self.rounds)

    def cpu_over(self, base: Course) -> float:
        """Return the median of the paired differences in processor time for each request, in microseconds."""
        return median(mine.cpu - other.cpu for mine, other in zip(self.rounds, base.rounds, strict=True))

    def rate(self) -> float:
        return median(each.load.rate for each in self.rounds)

    def errors(self) -> int:
        return sum(each.load.errors for each in self.rounds)


def paired_rounds(
    subjects: Sequence[Subject],
    *,
    rounds: int,
    seconds: float,
    path: str = "/",
    upstream: int | None = None,
    warm_up: float = 2.0,
) -> list[Course]:
    """Measure all subjects, each in an Envoy of its own that stays up; every other round goes backwards."""
    with _gateways(subjects, upstream) as gateways:
        return measure(gateways, rounds=rounds, seconds=seconds, path=path, warm_up=warm_up)


def measure(
    gateways: Sequence[Gateway], *, rounds: int, seconds: float, path: str = "/", warm_up: float = 2.0
) -> list[Course]:
    """Measure gateways that are up already."""
    courses = [Course(gateway.subject) for gateway in gateways]
    turns = list(zip(gateways, courses, strict=True))
    for gateway in gateways:
        drive(gateway.port, path, seconds=warm_up)
    for number in range(rounds):
        for gateway, course in turns if number % 2 == 0 else reversed(turns):
            course.rounds.append(_round(gateway, path, seconds))
    return courses


@contextlib.contextmanager
def _gateways(subjects: Sequence[Subject], upstream: int | None) -> Iterator[list[Gateway]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(Gateway(subject, upstream)) for subject in subjects]


def _round(gateway: Gateway, path: str, seconds: float) -> Round:
    before = gateway.envoy.cpu_seconds()
    load = drive(gateway.port, path, seconds=seconds)
    used = gateway.envoy.cpu_seconds() - before
    return Round(load, used * 1e6 / max(1, load.requests))
