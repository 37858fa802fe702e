from __future__ import annotations

import pytest
from tests.proxy_wasm_host.probe import GET, MEMORY, Guest, Probe

from proxy_wasm_host import Host, LogLevel, SystemClock, VirtualClock

BAD_ARGUMENT, INVALID_MEMORY = 2, 6


def test_lines_are_kept_with_level_plugin_and_context() -> None:
    def handler(guest: Guest, *_: int) -> None:
        for level in LogLevel:
            assert guest.call("proxy_log", level, *guest.put(level.name.encode())) == 0
        assert guest.call("proxy_log", 6, MEMORY, 1) == BAD_ARGUMENT
        assert guest.call("proxy_log", 2, MEMORY, 1) == INVALID_MEMORY
        assert guest.call("proxy_log", 2, *guest.put(b"\xff\0")) == 0

    probe = Probe(request_headers=handler, vm_id="v")
    stream = probe.plugin("filter").http_stream()
    stream.request(GET)
    lines = list(probe.host.logs)
    assert [(line.level, line.message) for line in lines[:6]] == [(level, level.name) for level in LogLevel]
    assert lines[6].message == "\\xff\0"
    assert (lines[0].plugin, lines[0].vm_id, lines[0].context_id) == ("filter", "v", stream.context_id)
    assert str(lines[2]) == "[info] wasm log filter v: INFO"


def test_lines_below_the_level_are_dropped_and_the_module_knows_it() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.number("proxy_get_log_level") == (0, LogLevel.WARN)
        assert guest.call("proxy_get_log_level", MEMORY - 3) == INVALID_MEMORY
        guest.call("proxy_log", LogLevel.INFO, *guest.put(b"no"))
        guest.call("proxy_log", LogLevel.WARN, *guest.put(b"yes"))

    host = Host(log_level=LogLevel.WARN)
    Probe(host=host, configure=handler).plugin()
    assert host.messages() == ["yes"]
    assert host.messages(LogLevel.ERROR) == []


def test_the_time_is_the_clocks() -> None:
    times: list[int] = []

    def handler(guest: Guest, *_: int) -> None:
        out = guest.out()
        assert guest.call("proxy_get_current_time_nanoseconds", out) == 0
        times.append(guest.u64(out))
        assert guest.call("proxy_get_current_time_nanoseconds", MEMORY - 7) == INVALID_MEMORY

    probe = Probe(host=Host(VirtualClock(start=100.5)), request_headers=handler)
    plugin = probe.plugin()
    plugin.http_stream().request(GET)
    assert isinstance(probe.host.clock, VirtualClock)
    probe.host.clock.advance(2)
    plugin.http_stream().request(GET)
    assert times == [100_500_000_000, 102_500_000_000]


def period(probe: Probe, milliseconds: int, index: int = 0) -> None:
    probe.vm.set_tick_period(probe.vm.plugins[index].context, milliseconds)


def test_ticks_come_every_period_until_stopped() -> None:
    probe = Probe(configure=lambda guest, *_: 1 - guest.call("proxy_set_tick_period_milliseconds", 100))
    plugin = probe.plugin()
    probe.forget()
    probe.clock.advance(0.35)
    assert probe.seen == [("tick", plugin.context.id)] * 3
    period(probe, 0)
    probe.clock.advance(10)
    assert len(probe.seen) == 3


def test_a_tick_may_change_its_own_period() -> None:
    at: list[int] = []

    def tick(guest: Guest, _root: int) -> None:
        at.append(probe.clock.monotonic() - start)
        assert guest.call("proxy_set_tick_period_milliseconds", 0 if len(at) == 3 else 200) == 0

    probe = Probe(tick=tick)
    start = probe.clock.monotonic()
    probe.plugin()
    period(probe, 100)
    probe.clock.advance(5)
    assert [moment // 1_000_000 for moment in at] == [100, 300, 500]


def test_a_stream_sets_its_plugins_period() -> None:
    probe = Probe(request_headers=lambda guest, *_: guest.call("proxy_set_tick_period_milliseconds", 10))
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(GET)
    stream.close()
    probe.clock.advance(0.01)
    assert probe.seen[-1] == ("tick", plugin.context.id)


def test_timers_of_several_plugins_fire_in_order_of_time() -> None:
    probe = Probe()
    first, second = probe.plugin("a"), probe.plugin("b")
    period(probe, 300, 0)
    period(probe, 200, 1)
    probe.forget()
    probe.clock.advance(0.7)
    a, b = ("tick", first.context.id), ("tick", second.context.id)
    assert probe.seen == [b, a, b, a, b]


def test_a_closed_plugin_ticks_no_more() -> None:
    probe = Probe()
    plugin = probe.plugin()
    period(probe, 100)
    plugin.close()
    probe.forget()
    probe.clock.advance(1)
    assert probe.seen == []


def test_the_system_clock_runs_timers_when_asked() -> None:
    clock = SystemClock()
    ran: list[str] = []
    clock.after(0, lambda: ran.append("now"))
    clock.after(3600 * 10**9, lambda: ran.append("later"))
    clock.after(0, lambda: ran.append("never")).cancel()
    assert ran == []
    clock.run_due()
    assert ran == ["now"]
    assert clock.realtime() > 1_700_000_000 * 10**9
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("quirks", [True, False])
def test_effective_context_holds_until_the_callback_ends(quirks: bool) -> None:
    seen: list[int] = []

    def tick(guest: Guest, _root: int) -> None:
        assert guest.call("proxy_set_effective_context", 999) == BAD_ARGUMENT
        assert guest.call("proxy_set_effective_context", stream.context_id) == 0
        seen.append(guest.prop("request", "path")[0])
        guest.call("proxy_log", 2, *guest.put(b"x"))

    probe = Probe(quirks=quirks, tick=tick, request_headers=lambda *_: 1)
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(GET)
    period(probe, 100)
    probe.clock.advance(0.2)
    assert seen == [0, 0]
    assert [line.context_id for line in probe.host.logs] == [stream.context_id] * 2
