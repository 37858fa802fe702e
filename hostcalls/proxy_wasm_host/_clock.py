"""Time, real or under the test's control."""

from __future__ import annotations

import heapq
import itertools
import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

NANOSECONDS = 1_000_000_000
_SWEEP_AT = 256
"""So many timers may be waiting before cancelled ones are looked for: a clock may stand still for long."""


class Timer:
    """Something that is due at a time; `cancel()` and it never comes."""

    __slots__ = ("action", "due")

    def __init__(self, due: int, action: Callable[[], None]) -> None:
        self.due = due
        self.action: Callable[[], None] | None = action

    def cancel(self) -> None:
        """Forget the action."""
        self.action = None


class Clock(Protocol):
    """What the host wants of a clock. All times are nanoseconds."""

    def realtime(self) -> int:
        """Return nanoseconds since the epoch."""
        ...

    def monotonic(self) -> int:
        """Return nanoseconds since some moment, never going back."""
        ...

    def after(self, nanoseconds: int, action: Callable[[], None]) -> Timer:
        """Let `action` run in `nanoseconds`."""
        ...


class _Timers:
    """Timers in order of time, then of creation."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()
        self._sweep_at = _SWEEP_AT

    def add(self, due: int, action: Callable[[], None]) -> Timer:
        if len(self._heap) >= self._sweep_at:
            self._heap = [entry for entry in self._heap if entry[2].action is not None]
            heapq.heapify(self._heap)
            self._sweep_at = max(_SWEEP_AT, 2 * len(self._heap))
        timer = Timer(due, action)
        heapq.heappush(self._heap, (due, next(self._order), timer))
        return timer

    def next_due(self) -> int | None:
        heap = self._heap
        while heap and heap[0][2].action is None:
            heapq.heappop(heap)
        return heap[0][0] if heap else None

    def fire(self) -> None:
        timer = heapq.heappop(self._heap)[2]
        action, timer.action = timer.action, None
        if action is not None:
            action()


class VirtualClock:
    """A clock that stands still until told to move; every run sees the same times.

    `start` is the time of day at the beginning, in seconds since the epoch.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._start = round(start * NANOSECONDS)
        self._now = 0
        self._timers = _Timers()

    def realtime(self) -> int:
        """Return nanoseconds since the epoch."""
        return self._start + self._now

    def monotonic(self) -> int:
        """Return nanoseconds since a second before the clock was made: Go's runtime dies of zero."""
        return NANOSECONDS + self._now

    def after(self, nanoseconds: int, action: Callable[[], None]) -> Timer:
        """Let `action` run once the clock was advanced by `nanoseconds`."""
        return self._timers.add(self._now + nanoseconds, action)

    def advance(self, seconds: float) -> None:
        """Move time forward; whatever falls due on the way runs in order, each at its own time."""
        end = self._now + round(seconds * NANOSECONDS)
        while (due := self._timers.next_due()) is not None and due <= end:
            self._now = max(self._now, due)
            self._timers.fire()
        self._now = end


class SystemClock:
    """The machine's clock. Timers wait until `run_due()` is called; nothing happens behind anyone's back."""

    def __init__(self) -> None:
        self._timers = _Timers()

    def realtime(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()

    def monotonic(self) -> int:
        """Return nanoseconds of the machine's monotonic clock."""
        return time.monotonic_ns()

    def after(self, nanoseconds: int, action: Callable[[], None]) -> Timer:
        """Let `action` run in the first `run_due()` at least `nanoseconds` from now."""
        return self._timers.add(time.monotonic_ns() + nanoseconds, action)

    def run_due(self) -> None:
        """Run every timer whose time has come."""
        now = time.monotonic_ns()
        while (due := self._timers.next_due()) is not None and due <= now:
            self._timers.fire()
