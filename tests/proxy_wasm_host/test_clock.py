from __future__ import annotations

from proxy_wasm_host import VirtualClock

SECOND = 1_000_000_000


def test_time_moves_only_when_told() -> None:
    clock = VirtualClock(start=5)
    before = clock.monotonic()
    assert clock.realtime() == clock.realtime()
    clock.advance(1.5)
    assert clock.monotonic() - before == 1_500_000_000


def test_what_falls_due_runs_in_order_at_its_own_time() -> None:
    clock = VirtualClock()
    start = clock.monotonic()
    ran: list[tuple[str, int]] = []
    for name, after in (("c", 3), ("a", 1), ("b", 1), ("never", 9)):
        clock.after(after * SECOND, lambda name=name: ran.append((name, clock.monotonic() - start)))  # type: ignore[misc]
    clock.advance(5)
    assert ran == [("a", SECOND), ("b", SECOND), ("c", 3 * SECOND)]


def test_an_action_may_set_the_next() -> None:
    clock = VirtualClock()
    ran: list[int] = []

    def again() -> None:
        ran.append(len(ran))
        clock.after(SECOND, again)

    clock.after(SECOND, again)
    clock.advance(3)
    assert ran == [0, 1, 2]


def test_cancelled_timers_take_no_room_for_ever() -> None:
    clock = VirtualClock()
    kept = clock.after(SECOND, lambda: None)
    for _again in range(10_000):
        clock.after(SECOND, lambda: None).cancel()
    assert len(clock._timers._heap) < 1000
    assert kept.action is not None
