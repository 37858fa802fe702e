from __future__ import annotations

from typing import Any

import pytest
from tests.proxy_wasm.scripted import PLUGIN, STREAM, ScriptedVm, http_vm, inside, tcp_vm

from proxy_wasm import (
    Action,
    HttpContext,
    LocalResponseSentError,
    PeerType,
    PluginContext,
    TcpContext,
    UnimplementedError,
)
from proxy_wasm._phase import phase
from proxy_wasm._unbound import bind

UPKEEP = {
    "vm_boot",
    "proxy_on_context_create",
    "proxy_on_configure",
    "proxy_on_delete",
    "proxy_on_http_call_response",
    "proxy_on_grpc_receive_initial_metadata",
    "proxy_on_grpc_receive",
    "proxy_on_grpc_receive_trailing_metadata",
    "proxy_on_grpc_close",
}


class Everything(HttpContext):
    seen: list[tuple[Any, ...]]

    def __init__(self) -> None:
        self.seen = []

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action | None:
        self.seen.append(("request_headers", num_headers, end_of_stream))
        return None

    def on_request_body(self, body_size: int, end_of_stream: bool) -> Action | None:
        self.seen.append(("request_body", body_size, end_of_stream))
        return Action.PAUSE

    def on_request_trailers(self, num_trailers: int) -> Action | None:
        self.seen.append(("request_trailers", num_trailers))
        return Action.CONTINUE

    def on_request_metadata(self, num_elements: int) -> Action | None:
        self.seen.append(("request_metadata", num_elements))
        return None

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> Action | None:
        self.seen.append(("response_headers", num_headers, end_of_stream))
        return None

    def on_response_body(self, body_size: int, end_of_stream: bool) -> Action | None:
        self.seen.append(("response_body", body_size, end_of_stream))
        return None

    def on_response_trailers(self, num_trailers: int) -> Action | None:
        self.seen.append(("response_trailers", num_trailers))
        return None

    def on_response_metadata(self, num_elements: int) -> Action | None:
        self.seen.append(("response_metadata", num_elements))
        return None

    def on_done(self) -> None:
        self.seen.append(("done",))

    def on_log(self) -> None:
        self.seen.append(("log",))

    def on_delete(self) -> None:
        self.seen.append(("delete",))


def test_an_http_stream_from_beginning_to_end() -> None:
    vm = http_vm(Everything)
    stream = vm.context()
    assert vm.call("on_request_headers", STREAM, 3, False) == 0
    assert vm.call("on_request_body", STREAM, 5, False) == 1
    assert vm.call("on_request_body", STREAM, 9, True) == 1
    assert vm.call("on_request_metadata", STREAM, 1) == 0
    assert vm.call("on_request_trailers", STREAM, 2) == 0
    assert vm.call("on_response_headers", STREAM, 3, False) == 0
    assert vm.call("on_response_body", STREAM, 5, True) == 0
    assert vm.call("on_response_trailers", STREAM, 2) == 0
    assert vm.call("on_response_metadata", STREAM, 2) == 0
    vm.end()
    assert [seen[0] for seen in stream.seen] == [
        "request_headers",
        "request_body",
        "request_body",
        "request_metadata",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
        "response_metadata",
        "done",
        "log",
        "delete",
    ]
    assert stream.seen[0] == ("request_headers", 3, False)
    assert vm.errors == []


def test_only_what_is_overridden_is_exported() -> None:
    class Headers(HttpContext):
        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None: ...

    class Plain(PluginContext): ...

    class Ticking(PluginContext):
        def on_tick(self) -> None: ...

    assert ScriptedVm(Plain).callbacks == UPKEEP
    assert ScriptedVm(Ticking).callbacks == UPKEEP | {"proxy_on_tick"}
    assert http_vm(Headers).callbacks == UPKEEP | {"proxy_on_response_headers"}
    assert len(http_vm(Everything).callbacks) == len(UPKEEP) + 10


def test_a_plugin_that_makes_its_streams_exports_whatever_any_stream_class_overrides() -> None:
    class Quiet(HttpContext): ...

    class Making(PluginContext):
        made = 0

        def create_http_context(self) -> HttpContext:
            self.made += 1
            return Everything() if self.made == 1 else Quiet()

    vm = ScriptedVm(Making)
    vm.start()
    assert "proxy_on_request_body" in vm.callbacks
    for stream in (2, 3):
        vm.stream(stream)
        assert vm.context(stream).plugin is vm.plugin
    assert vm.call("on_request_body", 2, 1, False) == 1
    assert vm.call("on_request_body", 3, 1, False) == 0


def test_contexts_know_their_id_and_their_plugin_in_init() -> None:
    class Curious(HttpContext):
        def __init__(self) -> None:
            self.known = (self.context_id, self.plugin.context_id, self.plugin.name)

    vm = http_vm(Curious)
    assert vm.context().known == (STREAM, PLUGIN, "")
    assert repr(vm.context()).endswith("Curious 2")


def test_contexts_are_gone_after_on_delete() -> None:
    vm = http_vm(Everything)
    for stream in range(10, 1010):
        vm.stream(stream)
        vm.call("on_request_headers", stream, 1, True)
        vm.end(stream)
    vm.end()
    assert set(vm.dispatcher._contexts) == {PLUGIN}
    vm.call("on_delete", PLUGIN)
    assert not vm.dispatcher._contexts
    assert phase.context is None


def test_an_unknown_context_goes_on() -> None:
    vm = http_vm(Everything)
    assert vm.call("on_request_headers", 77, 1, True) == 0
    vm.end(77)
    vm.call("on_log", 78)
    assert vm.errors == []


def test_configuration_reaches_the_plugin_and_its_verdict_the_host() -> None:
    class Picky(PluginContext):
        def on_vm_start(self, configuration: bytes) -> bool | None:
            self.vm = configuration
            return None

        def on_configure(self, configuration: bytes) -> bool:
            self.got = configuration
            return configuration == b"good"

    for configuration, verdict in ((b"good", 1), (b"bad", 0), (b"", 0)):
        vm = ScriptedVm(Picky)
        assert vm.start(configuration) == verdict
        assert vm.plugin.got == configuration
        vm.host.buffers[6] = b"vm"
        assert vm.call("on_vm_start", PLUGIN, 2) == 1
        assert vm.call("on_vm_start", 0, 2) == 1
        assert vm.plugin.vm == b"vm"


def test_a_plugin_that_cannot_start_refuses() -> None:
    class Broken(PluginContext):
        def __init__(self) -> None:
            raise RuntimeError("no")

    class Misconfigured(PluginContext):
        def on_configure(self, configuration: bytes) -> bool:
            raise ValueError(f"line 1: {configuration!r}")

    class Confused(PluginContext):
        def on_configure(self, configuration: bytes) -> bool:
            return "yes"  # type: ignore[return-value] # what it is about

    for plugin, message in (
        (Broken, "no"),
        (Misconfigured, "line 1: b'x'"),
        (Confused, "must be True, False or None"),
    ):
        vm = ScriptedVm(plugin)
        assert vm.start(b"x") == 0
        assert message in vm.errors[0]
        assert "the plugin does not start" in vm.errors[0]


def test_plugin_callbacks() -> None:
    class Busy(PluginContext):
        def __init__(self) -> None:
            self.seen: list[Any] = []

        def on_configure(self, configuration: bytes) -> None:
            self.set_tick_period(0.25)

        def on_tick(self) -> None:
            self.seen.append("tick")
            self.set_tick_period(0)

        def on_queue_ready(self, queue_id: int) -> None:
            self.seen.append(queue_id)

        def on_foreign_function(self, function_id: int, arguments: bytes) -> None:
            self.seen.append((function_id, arguments))

        def on_done(self) -> bool:
            self.seen.append("done")
            return False

    vm = ScriptedVm(Busy)
    vm.start()
    vm.call("on_tick", PLUGIN)
    vm.call("on_queue_ready", PLUGIN, 5)
    vm.host.buffers[8] = b"args"
    vm.call("on_foreign_function", PLUGIN, 9, 4)
    vm.call("on_foreign_function", PLUGIN, 10, 0)
    assert vm.call("on_done", PLUGIN) == 0
    assert vm.plugin.seen == ["tick", 5, (9, b"args"), (10, b""), "done"]
    assert vm.host.calls("set_tick_period_milliseconds") == [
        ("set_tick_period_milliseconds", 250),
        ("set_tick_period_milliseconds", 0),
    ]
    with bind(vm.host):
        vm.plugin.done()
    assert vm.host.did[-1] == ("done",)


def test_a_tcp_stream() -> None:
    class Tcp(TcpContext):
        closed: tuple[PeerType, ...] = ()

        def on_new_connection(self) -> Action | None:
            return Action.PAUSE

        def on_downstream_data(self, data_size: int, end_of_stream: bool) -> Action | None:
            self.downstream_data.append(b"!")
            return None

        def on_upstream_data(self, data_size: int, end_of_stream: bool) -> Action | None:
            self.upstream_data.prepend(b"?")
            return None

        def on_downstream_connection_close(self, peer_type: PeerType) -> None:
            self.closed = (*self.closed, peer_type)

        def on_upstream_connection_close(self, peer_type: PeerType) -> None:
            self.closed = (*self.closed, peer_type)

    vm = tcp_vm(Tcp)
    vm.host.buffers |= {2: b"down", 3: b"up"}
    assert vm.call("on_new_connection", STREAM) == 1
    assert vm.call("on_downstream_data", STREAM, 4, False) == 0
    assert vm.call("on_upstream_data", STREAM, 2, True) == 0
    assert vm.host.buffers[2] == b"down!"
    assert vm.host.buffers[3] == b"?up"
    vm.call("on_downstream_connection_close", STREAM, 2)
    vm.call("on_upstream_connection_close", STREAM, 0)
    assert vm.context().closed == (PeerType.REMOTE, PeerType.UNKNOWN)
    with inside(vm, callback="on_downstream_data") as stream:
        stream.close_upstream()
        stream.close_downstream()
    assert vm.host.calls("close_stream") == [("close_stream", 3), ("close_stream", 2)]
    vm.end()
    assert set(vm.dispatcher._contexts) == {PLUGIN}


def test_what_is_paused_goes_on_once_when_it_is_told() -> None:
    class Holding(TcpContext):
        def on_new_connection(self) -> Action:
            return Action.PAUSE

        def on_upstream_data(self, data_size: int, end_of_stream: bool) -> Action:
            return Action.PAUSE

    vm = tcp_vm(Holding)
    with inside(vm) as stream:
        stream.continue_downstream()
    assert vm.host.calls("continue_stream") == []
    vm.call("on_new_connection", STREAM)
    vm.call("on_upstream_data", STREAM, 1, False)
    with inside(vm) as stream:
        stream.continue_downstream()
        stream.continue_downstream()
        vm.host.refuse["continue_stream"] = 12
        with pytest.raises(UnimplementedError, match="do not pause it"):
            stream.continue_upstream()
    assert vm.host.calls("continue_stream") == [("continue_stream", 2)]


def test_one_plugin_for_http_and_tcp_decides_at_the_first_callback() -> None:
    class Http(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None: ...
        def on_log(self) -> None: ...

    class Tcp(TcpContext):
        def on_new_connection(self) -> None: ...

    class Both(PluginContext):
        http_context = Http
        tcp_context = Tcp

    vm = ScriptedVm(Both)
    vm.start()
    for stream in (2, 3, 4, 5):
        vm.stream(stream)
    vm.call("on_request_headers", 2, 1, True)
    vm.call("on_new_connection", 3)
    vm.call("on_log", 4)
    assert isinstance(vm.context(2), Http)
    assert isinstance(vm.context(3), Tcp)
    assert isinstance(vm.context(4), Http)
    for stream in (2, 3, 4, 5):
        vm.end(stream)
    assert not vm.dispatcher._undecided
    assert set(vm.dispatcher._contexts) == {PLUGIN}


def test_a_local_response() -> None:
    class Denying(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            assert not self.response_sent
            self.send_response(403, headers={"x-why": "no"}, body="däm", details="denied", grpc_status=7)
            assert self.response_sent

        def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
            raise AssertionError("not after the answer")

        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.response_headers["x-seen"] = "yes"

    vm = http_vm(Denying)
    assert vm.call("on_request_headers", STREAM, 1, False) == 1
    assert vm.host.did[-1] == ("send_local_response", 403, b"denied", "däm".encode(), [(b"x-why", b"no")], 7)
    assert vm.call("on_request_body", STREAM, 1, True) == 1
    assert vm.call("on_response_headers", STREAM, 1, True) == 0
    assert vm.host.maps[2] == [(b"x-seen", b"yes")]
    assert vm.errors == []


def test_a_second_local_response_is_an_error_before_it_reaches_the_host() -> None:
    class Twice(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.send_response(401)
            with pytest.raises(LocalResponseSentError, match="has sent a local response already"):
                self.send_response(402)

    vm = http_vm(Twice)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert len(vm.host.calls("send_local_response")) == 1
    assert vm.host.calls("send_local_response")[0][-1] == -1


def test_a_local_response_in_place_of_upstream_s_holds_that_back() -> None:
    class Replacing(HttpContext):
        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.send_response(502)

        def on_response_body(self, body_size: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Replacing)
    assert vm.call("on_response_headers", STREAM, 1, False) == 1
    assert vm.call("on_response_body", STREAM, 1, False) == 1


def test_a_closed_stream_stays_closed() -> None:
    class Closing(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.close_request()

        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Closing)
    assert vm.call("on_request_headers", STREAM, 1, False) == 1
    assert vm.call("on_response_headers", STREAM, 1, False) == 1
    assert vm.host.calls("close_stream") == [("close_stream", 0)]


def test_a_wrong_answer_names_the_right_ones() -> None:
    class Wrong(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Any:
            return True

    vm = http_vm(Wrong)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert "on_request_headers returned True: must be Action.CONTINUE, Action.PAUSE or None" in vm.errors[0]


def test_another_stream_s_things_are_reached_by_making_it_effective() -> None:
    class Holding(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action:
            return Action.PAUSE

    class Releasing(PluginContext):
        http_context = Holding

        def on_tick(self) -> None:
            for stream in self._dispatcher._contexts.values():  # type: ignore[union-attr] # a plugin's own book-keeping in short
                if isinstance(stream, Holding):
                    stream.request_headers["x-late"] = "yes"
                    stream.continue_request()
            self.set_tick_period(1)

    vm = ScriptedVm(Releasing)
    vm.start()
    for stream in (2, 3):
        vm.stream(stream)
        assert vm.call("on_request_headers", stream, 1, True) == 1
    vm.host.did.clear()
    vm.call("on_tick", PLUGIN)
    assert vm.host.did == [
        ("set_effective_context", 2),
        ("continue_stream", 0),
        ("set_effective_context", 3),
        ("continue_stream", 0),
        ("set_effective_context", 1),
        ("set_tick_period_milliseconds", 1000),
    ]


def test_a_host_that_ends_a_stream_early_is_heard() -> None:
    vm = http_vm(HttpContext)
    vm.host.refuse["set_effective_context"] = 2
    with inside(vm) as stream, pytest.raises(Exception, match="the stream has ended"):
        vm.plugin.make_effective()
    assert stream.context_id == STREAM
