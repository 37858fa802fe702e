"""VMs and plugins from start to end."""

from __future__ import annotations

import pytest
from tests.proxy_wasm_host.probe import GET, Guest, Probe

from proxy_wasm_host import AbiVersion, ClosedError, Host

NOT_FOUND = 1


def test_a_plugin_is_created_started_and_configured() -> None:
    probe = Probe(vm_configuration=b"1234")
    plugin = probe.plugin(configuration=b"12345")
    root = plugin.context.id
    assert probe.seen == [("context_create", root, 0), ("vm_start", root, 4), ("configure", root, 5)]


def test_envoy_starts_the_vm_for_each_plugin_the_specification_once() -> None:
    for quirks, starts in ((True, 2), (False, 1)):
        probe = Probe(quirks=quirks)
        probe.plugin("a")
        probe.plugin("b")
        assert probe.names().count("vm_start") == starts
        assert probe.names().count("configure") == 2


def test_a_plugin_ends_with_its_streams() -> None:
    probe = Probe()
    plugin = probe.plugin()
    stream = plugin.http_stream()
    stream.request(GET)
    probe.forget()
    plugin.close()
    plugin.close()
    root = plugin.context.id
    context = stream.context_id
    assert probe.seen == [
        ("log", context),
        ("done", context),
        ("delete", context),
        ("done", root),
        ("delete", root),
    ]
    assert probe.vm.contexts == {}
    with pytest.raises(ClosedError):
        plugin.http_stream()


@pytest.mark.parametrize(("quirks", "end"), [(True, ["delete"]), (False, ["log", "delete"])])
def test_a_plugin_that_is_not_done_yet_ends_with_proxy_done(quirks: bool, end: list[str]) -> None:
    statuses: list[int] = []

    def tick(guest: Guest, _root: int) -> None:
        statuses.append(guest.call("proxy_done"))

    probe = Probe(quirks=quirks, done=lambda *_: 0, tick=tick)
    plugin = probe.plugin()
    probe.vm.set_tick_period(plugin.context, 100)
    probe.clock.advance(0.1)
    assert statuses == [NOT_FOUND]
    plugin.close()
    assert probe.names()[-1] == "done"
    probe.forget()
    probe.clock.advance(0.1)
    assert statuses == [NOT_FOUND, 0]
    assert probe.names() == ["tick", *end]
    assert probe.vm.contexts == {}
    probe.clock.advance(1)
    assert probe.names() == ["tick", *end]


def test_closing_a_host_closes_everything_in_it() -> None:
    probe = Probe()
    with probe.host as host:
        probe.plugin().http_stream().request(GET)
    assert host.vms == []
    assert probe.names()[-2:] == ["done", "delete"]
    probe.vm.close()
    with pytest.raises(ClosedError):
        probe.plugin()


def test_context_ids_are_never_used_again() -> None:
    probe = Probe()
    plugin = probe.plugin()
    seen = set()
    for _again in range(20):
        with plugin.http_stream() as stream:
            stream.request(GET)
            seen.add(stream.context_id)
    assert len(seen) == 20


def test_0_1_0_reads_its_configurations_by_one_call() -> None:
    seen: list[tuple[str, bytes]] = []

    def look(name: str) -> object:
        def handler(guest: Guest, *_: int) -> None:
            seen.append((name, guest.given("proxy_get_configuration")[1]))

        return handler

    probe = Probe(
        abi=AbiVersion.V0_1_0,
        vm_configuration=b"vm",
        on={"vm_start": look("start"), "configure": look("configure"), "tick": look("tick")},  # type: ignore[dict-item]
    )
    plugin = probe.plugin(configuration=b"plugin")
    probe.vm.set_tick_period(plugin.context, 10)
    probe.clock.advance(0.01)
    assert seen == [("start", b"vm"), ("configure", b"plugin"), ("tick", b"vm")]


def test_0_1_0_continues_each_side_by_its_own_call() -> None:
    def go(name: str) -> None:
        def tick(guest: Guest, _root: int) -> None:
            guest.call("proxy_set_effective_context", stream.context_id)
            assert guest.call(name) == 0

        probe.on["tick"] = tick
        probe.clock.advance(0.01)

    probe = Probe(abi=AbiVersion.V0_1_0, request_headers=lambda *_: 1, response_headers=lambda *_: 1)
    plugin = probe.plugin()
    probe.vm.set_tick_period(plugin.context, 10)
    stream = plugin.http_stream()
    stream.request(GET)
    go("proxy_continue_request")
    assert stream.upstream.ended
    stream.response([(":status", "200")])
    assert stream.response_paused
    go("proxy_continue_response")
    assert stream.downstream.ended
    go("proxy_clear_route_cache")
    assert stream.route_cache_cleared == 1


def test_hosts_do_not_see_each_other() -> None:
    hosts = [Host(), Host()]
    for host in hosts:
        host.foreign_functions["mine"] = lambda _arguments: b""
    assert "mine" not in Host().foreign_functions
    assert hosts[0].shared_data is not hosts[1].shared_data
