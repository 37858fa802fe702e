"""What a measurement yields: named numbers, some of them with a limit to keep."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """The bound that a figure is held against."""

    value: float
    at_least: bool = False

    def met(self, value: float) -> bool:
        return value >= self.value if self.at_least else value <= self.value


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number; without a limit it is there for the reader's sake only."""

    name: str
    value: float
    unit: str
    limit: Limit | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the limit holds; None where there is none."""
        return None if self.limit is None else self.limit.met(self.value)


def at_most(value: float) -> Limit:
    return Limit(value)


def at_least(value: float) -> Limit:
    return Limit(value, at_least=True)
