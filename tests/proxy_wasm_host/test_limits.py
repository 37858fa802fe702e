"""Traps, endless loops and greed: the VM fails with a clear error, everything else goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy_wasm_host.probe import GET, OK, POST, Guest, Probe

from proxy_wasm_host import (
    ConfigureFailed,
    FailurePolicy,
    Host,
    Limits,
    MemoryLimitExceeded,
    Module,
    ModuleFailedError,
    ModuleTrapped,
    StartFailed,
    TimeLimitExceeded,
)

if TYPE_CHECKING:
    from collections.abc import Callable

EXTRA = """
  (func $deep (export "deep") (param i32) (result i32) (i32.add (i32.const 1) (call $deep (local.get 0))))
  (func $boom (export "boom") unreachable)
  (func (export "loop") (loop $l (br $l)))
  (func (export "outside") (drop (i32.load (i32.const -4))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))"""


def failing(what: str, *arguments: int) -> Callable[..., None]:
    def handler(guest: Guest, *_: int) -> None:
        guest.vm.export(what)(*arguments)

    return handler


def probe_for(what: str, *arguments: int, **options: Any) -> Probe:
    return Probe(extra=EXTRA, request_headers=failing(what, *arguments), **options)


@pytest.mark.parametrize(
    ("what", "reason"),
    [("boom", "unreachable"), ("outside", "out of bounds memory"), ("deep", "call stack exhausted")],
)
def test_a_trap_names_callback_reason_and_frames(what: str, reason: str) -> None:
    probe = probe_for(what, *([1] if what == "deep" else []))
    stream = probe.plugin().http_stream()
    with pytest.raises(ModuleTrapped, match=reason) as caught:
        stream.request(GET)
    error = caught.value
    assert error.backtrace
    assert what in error.backtrace[0] or what == "outside"
    assert error.context_id == stream.context_id
    assert probe.vm.failure is error
    assert stream.failure is error
    assert reason in probe.host.messages()[-1]


def test_an_endless_loop_is_stopped() -> None:
    probe = probe_for("loop", limits=Limits(callback_seconds=0.1))
    with pytest.raises(TimeLimitExceeded, match=r"longer than 0.1 s"):
        probe.plugin().http_stream().request(GET)


def test_each_callback_has_the_whole_time() -> None:
    probe = Probe(limits=Limits(callback_seconds=0.1))
    plugin = probe.plugin()
    for _again in range(100):
        with plugin.http_stream() as stream:
            stream.request(GET)
            stream.response(OK)
    assert Probe(limits=Limits(callback_seconds=None)).plugin().http_stream().request(GET).ended


def test_memory_stops_growing_at_the_limit() -> None:
    grown: list[int] = []

    def handler(guest: Guest, *_: int) -> None:
        grown.append(guest.vm.export("grow")(16))
        grown.append(guest.vm.export("grow")(1000))

    probe = Probe(extra=EXTRA, request_headers=handler, limits=Limits(memory=8 << 20))
    probe.plugin().http_stream().request(GET)
    assert grown == [64, 0xFFFF_FFFF]
    assert probe.vm.memory.size == 80 * 65536


def test_what_the_module_grew_into_is_reached() -> None:
    def handler(guest: Guest, *_: int) -> None:
        guest.vm.export("grow")(1)
        guest.memory.write(64 * 65536, b"new")
        assert guest.memory.read(64 * 65536, 3) == b"new"

    Probe(extra=EXTRA, request_headers=handler).plugin().http_stream().request(GET)


def test_a_module_that_starts_too_large_is_refused() -> None:
    with pytest.raises(MemoryLimitExceeded, match=r"Limits\.memory"):
        Probe(limits=Limits(memory=1 << 20))


def test_one_failed_vm_leaves_the_others_alone() -> None:
    host = Host()
    broken = Probe(host=host, vm_id="a", extra=EXTRA, request_headers=failing("boom"))
    sound = Probe(host=host, vm_id="b")
    broken_plugin, plugin = broken.plugin("broken"), sound.plugin("sound")
    with pytest.raises(ModuleTrapped):
        broken_plugin.http_stream().request(GET)
    assert plugin.http_stream().request(GET).ended
    with pytest.raises(ModuleTrapped):
        broken_plugin.http_stream()
    with pytest.raises(ModuleTrapped):
        broken.plugin("again")
    broken.vm.close()
    host.close()
    assert host.vms == []


def test_false_from_start_or_configure_is_an_error() -> None:
    with pytest.raises(StartFailed, match="plugin 'p'"):
        Probe(vm_start=lambda *_: 0).plugin()
    with pytest.raises(ConfigureFailed, match=r"plugin 'p'.*answered false\n.*\[error\].*no such team"):
        Probe(configure=lambda guest, *_: guest.call("proxy_log", 4, *guest.put(b"no such team"))).plugin()
    trapping = Probe(extra=EXTRA, configure=failing("boom"))
    with pytest.raises(ModuleFailedError, match="boom"):
        trapping.plugin()


# What Envoy does with streams of a failed VM.


def test_fail_closed_answers_503_now_and_later() -> None:
    probe = probe_for("boom", policy=FailurePolicy.FAIL_CLOSED)
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(POST, [b"x"])
    assert stream.upstream.headers is None
    assert stream.downstream.headers == [(":status", "503")]
    assert stream.local_response is not None
    assert stream.local_response.details == "wasm_fail_stream"
    assert isinstance(stream.failure, ModuleTrapped)
    stream.close()
    later = plugin.http_stream()
    later.request([*GET[:3], ("content-type", "application/grpc")])
    assert later.downstream.headers is not None
    assert later.downstream.headers["grpc-status"] == b"14"
    assert probe.names().count("request_headers") == 1


@pytest.mark.parametrize("quirks", [True, False])
def test_fail_open_lets_streams_pass_without_the_filter_in_envoy_only_new_ones(quirks: bool) -> None:
    probe = probe_for("boom", policy=FailurePolicy.FAIL_OPEN, quirks=quirks)
    plugin = probe.plugin()
    for first in (True, False):
        with plugin.http_stream() as stream:
            stream.request(POST, [b"x"], trailers=[("t", "1")])
            if first and quirks:
                assert stream.downstream.status == 503
                continue
            assert stream.upstream.body == b"x"
            assert stream.response(OK, [b"y"]).body == b"y"
    assert probe.names().count("request_headers") == 1
    assert "log" not in probe.names()


def test_fail_reload_gives_the_next_stream_a_new_vm_but_not_too_often() -> None:
    probe = probe_for("boom", policy=FailurePolicy.FAIL_RELOAD)
    plugin = probe.plugin()

    def status() -> int | None:
        with plugin.http_stream() as stream:
            stream.request(GET)
            return stream.downstream.status

    assert status() == 503
    assert status() == 503
    assert probe.names().count("configure") == 1
    del probe.on["request_headers"]
    probe.clock.advance(1)
    assert status() is None
    assert probe.vm.failure is None
    assert probe.names().count("configure") == 2


def test_streams_of_the_failed_vm_stay_failed_after_a_reload() -> None:
    probe = Probe(extra=EXTRA, policy=FailurePolicy.FAIL_RELOAD)
    plugin = probe.plugin()
    old = plugin.http_stream()
    old.request(POST, [b"x"])
    probe.on["request_headers"] = failing("boom")
    plugin.http_stream().request(GET)
    del probe.on["request_headers"]
    probe.clock.advance(1)
    with plugin.http_stream() as new:
        assert new.request(GET).ended
    probe.forget()
    old.response(OK, [b"y"])
    assert old.downstream.status == 503
    old.close()
    assert probe.seen == []
    assert list(plugin.streams) == [3]


def test_a_trap_while_the_host_asks_for_memory_is_the_callbacks() -> None:
    text = """(module (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1) (data (i32.const 0) "plugin_name")
      (func (export "proxy_abi_version_0_2_1"))
      (func $empty (export "malloc") (param i32) (result i32) unreachable)
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $get (i32.const 0) (i32.const 11) (i32.const 32) (i32.const 36))))"""
    plugin = Host().vm(Module.from_wat(text)).plugin("p")
    with pytest.raises(ModuleTrapped, match=r"proxy_on_request_headers.*unreachable"):
        plugin.http_stream().request(GET)


def test_what_a_test_raises_leaves_the_module_usable() -> None:
    def broken(guest: Guest, *_: int) -> None:
        guest.respond(403)
        raise ZeroDivisionError

    probe = Probe(request_headers=broken)
    plugin = probe.plugin()
    with pytest.raises(ZeroDivisionError):
        plugin.http_stream().request(GET)
    del probe.on["request_headers"]
    stream = plugin.http_stream()
    assert stream.request(GET).ended
    assert stream.local_response is None


@pytest.mark.parametrize("phase", ["response_headers", "response_body", "response_trailers", "request_body"])
def test_a_trap_in_any_phase_fails_closed(phase: str) -> None:
    probe = Probe(extra=EXTRA, on={phase: failing("boom")}, policy=FailurePolicy.FAIL_CLOSED)
    stream = probe.plugin().http_stream()
    stream.request(POST, [b"x"])
    if stream.local_response is None:
        stream.response(OK, [b"y"], trailers=[("t", "1")])
    if phase in ("request_body", "response_headers"):
        assert stream.downstream.status == 503
    else:
        assert stream.reset
    stream.close()
    assert probe.vm.contexts.keys() == {1}


@pytest.mark.parametrize("phase", ["log", "done", "delete"])
def test_a_trap_at_the_end_of_a_stream_still_forgets_it(phase: str) -> None:
    probe = Probe(extra=EXTRA, on={phase: failing("boom")})
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(GET)
    with pytest.raises(ModuleTrapped):
        stream.close()
    assert stream.context_id not in probe.vm.contexts
    assert plugin.streams == {}


def test_traps_outside_streams_are_raised_where_they_happen() -> None:
    def configure(guest: Guest, *_: int) -> None:
        assert guest.call("proxy_set_tick_period_milliseconds", 10) == 0

    probe = Probe(extra=EXTRA, configure=configure, tick=failing("boom"))
    probe.plugin()
    with pytest.raises(ModuleTrapped, match="boom"):
        probe.clock.advance(1)
    probe.clock.advance(1)
    assert probe.names().count("tick") == 1


def test_capabilities_that_were_not_given_are_refused() -> None:
    seen: list[int] = []

    def configure(guest: Guest, *_: int) -> None:
        seen.append(guest.call("proxy_set_tick_period_milliseconds", 10))
        seen.append(guest.call("fd_write", 1, 0, 0, guest.out()))
        seen.append(guest.call("proxy_log", 2, 0, 0))

    allowed = ["proxy_on_configure", "proxy_log", "proxy_call_foreign_function"]
    probe = Probe(configure=configure, capabilities=allowed)
    stream = probe.plugin().http_stream()
    stream.request(GET)
    assert seen == [10, 76, 0]
    assert probe.names() == ["configure"]
    assert "restricted capability: fd_write" in probe.host.messages()[1]


def test_a_module_may_be_used_by_many_vms() -> None:
    module = Module.from_wat(
        '(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))'
        ' (func (export "malloc") (param i32) (result i32) (i32.const 8)))'
    )
    with Host() as host:
        for number in range(50):
            host.vm(module, vm_id=str(number)).plugin().http_stream().request(GET)
        assert len(host.vms) == 50
