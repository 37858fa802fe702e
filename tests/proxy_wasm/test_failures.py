from __future__ import annotations

from typing import Any

import pytest
from tests.proxy_wasm.scripted import PLUGIN, STREAM, ScriptedVm, http_vm, tcp_vm

from proxy_wasm import Action, FailureMode, HttpContext, PluginContext, TcpContext
from proxy_wasm._unbound import HostStatus

REFUSAL: tuple[Any, ...] = ("send_local_response", 500, b"python_exception", b"", [], 13)
HTTP = [
    ("on_request_headers", (1, False)),
    ("on_request_body", (1, False)),
    ("on_request_trailers", (1,)),
    ("on_request_metadata", (1,)),
    ("on_response_headers", (1, False)),
    ("on_response_body", (1, False)),
    ("on_response_trailers", (1,)),
    ("on_response_metadata", (1,)),
]


def raising(callback: str, base: type, error: BaseException) -> Any:
    def fail(_self: Any, *_arguments: object) -> None:
        raise error

    def never(self: Any, *_arguments: object) -> None:
        self.later = True

    callbacks = (
        [name for name, _ in HTTP]
        if base is HttpContext
        else ["on_new_connection", "on_downstream_data", "on_upstream_data"]
    )
    body: dict[str, Any] = dict.fromkeys(callbacks, never)
    return type("Failing", (base,), {**body, "later": False, callback: fail})


@pytest.mark.parametrize(("callback", "arguments"), HTTP)
@pytest.mark.parametrize(
    "error", [ValueError("boo"), MemoryError(), RecursionError("deep"), SystemExit(1)], ids=repr
)
def test_failing_closed(callback: str, arguments: tuple[Any, ...], error: BaseException) -> None:
    vm = http_vm(raising(callback, HttpContext, error))
    stream = vm.context()
    assert vm.call(callback, STREAM, *arguments) == 1
    answers = vm.host.calls("send_local_response", "close_stream")
    headers_gone = callback in {"on_response_body", "on_response_trailers", "on_response_metadata"}
    assert answers == ([("close_stream", 1)] if headers_gone else [REFUSAL])
    assert vm.call("on_request_body", STREAM, 1, True) == 1
    # The proxy's own answer passes the filter unseen; a response that the filter choked on does not get out.
    assert vm.call("on_response_headers", STREAM, 1, False) == callback.startswith("on_response")
    assert not stream.later
    assert vm.host.calls("send_local_response", "close_stream") == answers
    vm.end()
    assert set(vm.dispatcher._contexts) == {PLUGIN}
    assert not vm.dispatcher._ended


@pytest.mark.parametrize(("callback", "arguments"), HTTP)
def test_failing_open(callback: str, arguments: tuple[Any, ...]) -> None:
    vm = http_vm(raising(callback, HttpContext, ValueError("boo")), failure_mode=FailureMode.OPEN)
    stream = vm.context()
    assert vm.call(callback, STREAM, *arguments) == 0
    assert vm.call("on_request_body", STREAM, 1, True) == 0
    assert vm.call("on_response_body", STREAM, 1, True) == 0
    assert not stream.later
    assert vm.host.calls("send_local_response", "close_stream", "continue_stream") == []


def test_what_is_logged_and_counted() -> None:
    class Deep(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            nothing: dict[str, str] = {}
            try:
                nothing["first"]
            except KeyError as error:
                error.add_note("a note")
                raise ValueError("second") from error

    vm = http_vm(Deep)
    vm.host.properties[b"plugin_name"] = b"auth"
    vm.host.maps[0] = [(b"x-request-id", b"4f8c")]
    vm.call("on_request_headers", STREAM, 1, True)
    (line,) = vm.errors
    assert line.startswith(
        "[plugin=auth request=4f8c context=2] on_request_headers raised; failing closed, the stream ends\n"
    )
    assert (
        "\nKeyError: 'first'\na note\nThe above exception was the direct cause of the following exception:\n"
        in line
    )
    assert line.endswith("ValueError: second")
    assert f'File "{__file__}", line ' in line
    assert "in test_what_is_logged_and_counted.<locals>.Deep.on_request_headers" in line
    assert vm.host.defined == [(0, b"python.exceptions.auth")]
    vm.stream(3)
    vm.call("on_request_headers", 3, 1, True)
    assert vm.host.metrics == {1: 2}
    assert len(vm.host.defined) == 1


def test_a_deep_traceback_is_cut_in_the_middle() -> None:
    class Endless(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.on_request_headers(1, True)

    vm = http_vm(Endless)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert "more frames ..." in vm.errors[0]
    assert "RecursionError" in vm.errors[0]
    assert len(vm.errors[0].splitlines()) < 50


def test_a_broken_exception_is_still_an_exception() -> None:
    class MuteError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    vm = http_vm(raising("on_request_headers", HttpContext, MuteError()))
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert "MuteError: <its __str__ raised RuntimeError>" in vm.errors[0]


@pytest.mark.parametrize("callback", ["on_done", "on_log", "on_delete"])
def test_the_end_of_a_stream_takes_its_course(callback: str) -> None:
    vm = http_vm(raising(callback, HttpContext, ValueError("boo")))
    assert vm.call("on_done", STREAM) == 1
    vm.call("on_log", STREAM)
    vm.call("on_delete", STREAM)
    assert "ValueError: boo" in vm.errors[0]
    assert vm.host.metrics == {1: 1}
    assert vm.host.calls("send_local_response", "close_stream") == []
    assert set(vm.dispatcher._contexts) == {PLUGIN}


def test_a_failed_stream_still_hears_of_its_end() -> None:
    class Failing(HttpContext):
        ended = ""

        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            raise ValueError("boo")

        def on_done(self) -> None:
            self.ended += "done "

        def on_log(self) -> None:
            self.ended += "log "

        def on_delete(self) -> None:
            self.ended += "delete"

    vm = http_vm(Failing)
    stream = vm.context()
    vm.call("on_request_headers", STREAM, 1, True)
    vm.end()
    assert stream.ended == "done log delete"


def test_a_failing_tick_goes_on() -> None:
    class Ticking(PluginContext):
        def on_tick(self) -> None:
            raise ValueError("boo")

    vm = ScriptedVm(Ticking)
    vm.start()
    vm.call("on_tick", PLUGIN)
    vm.call("on_tick", PLUGIN)
    assert len(vm.errors) == 2
    assert vm.host.metrics == {1: 2}


def test_after_a_local_response_there_is_no_second_one() -> None:
    class Answering(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.send_response(403)
            raise ValueError("boo")

        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None: ...

    for mode in (FailureMode.CLOSED, FailureMode.OPEN):
        vm = http_vm(Answering, failure_mode=mode)
        assert vm.call("on_request_headers", STREAM, 1, True) == 1
        assert len(vm.host.calls("send_local_response")) == 1
        assert vm.call("on_response_headers", STREAM, 1, True) == 0
        assert vm.host.calls("close_stream", "continue_stream") == []


def test_failing_open_lets_go_of_what_the_stream_held() -> None:
    class Holding(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action:
            return Action.PAUSE

        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            raise ValueError("boo")

    vm = http_vm(Holding, failure_mode=FailureMode.OPEN)
    assert vm.call("on_request_headers", STREAM, 1, False) == 1
    assert vm.call("on_response_headers", STREAM, 1, True) == 0
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


@pytest.mark.parametrize("mode", [FailureMode.OPEN, FailureMode.CLOSED])
def test_a_context_that_cannot_be_made(mode: FailureMode) -> None:
    class Unmakeable(HttpContext):
        def __init__(self) -> None:
            raise ValueError("boo")

        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None: ...
        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Unmakeable, failure_mode=mode)
    assert "making context 2 raised" in vm.errors[0]
    closed = int(mode == FailureMode.CLOSED)
    assert vm.call("on_request_headers", STREAM, 1, True) == closed
    assert vm.call("on_response_headers", STREAM, 1, True) == 0
    assert vm.host.calls("send_local_response") == [REFUSAL] * closed
    vm.end()
    assert not vm.dispatcher._ended


def test_streams_of_a_plugin_that_could_not_be_made_fail_closed() -> None:
    class Unmakeable(PluginContext):
        http_context = raising("on_request_headers", HttpContext, ValueError("boo"))

        def __init__(self) -> None:
            raise ValueError("boo")

    vm = ScriptedVm(Unmakeable)
    assert vm.start() == 0
    vm.stream()
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert vm.host.calls("send_local_response") == [REFUSAL]
    vm.end()


def test_streams_of_a_plugin_without_stream_classes_pass() -> None:
    class Service(PluginContext): ...

    vm = ScriptedVm(Service)
    vm.start()
    vm.stream()
    vm.end()
    assert vm.errors == []


@pytest.mark.parametrize("callback", ["on_new_connection", "on_downstream_data", "on_upstream_data"])
def test_tcp(callback: str) -> None:
    arguments = () if callback == "on_new_connection" else (1, False)
    closed = tcp_vm(raising(callback, TcpContext, ValueError("boo")))
    assert closed.call(callback, STREAM, *arguments) == 1
    assert closed.host.calls("close_stream") == [("close_stream", 2)]
    assert closed.call("on_upstream_data", STREAM, 1, False) == 1
    vm = tcp_vm(raising(callback, TcpContext, ValueError("boo")), failure_mode=FailureMode.OPEN)
    assert vm.call(callback, STREAM, *arguments) == 0
    assert vm.call("on_downstream_data", STREAM, 1, False) == 0
    assert vm.host.calls("close_stream") == []


def test_a_host_that_does_not_take_the_answer_is_only_logged() -> None:
    vm = http_vm(raising("on_request_headers", HttpContext, ValueError("boo")))
    vm.host.refuse["send_local_response"] = 2
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert "the host did not take the answer" in vm.errors[1]


def test_the_failure_mode_may_come_from_the_configuration() -> None:
    class Configured(PluginContext):
        http_context = raising("on_request_headers", HttpContext, ValueError("boo"))

        def on_configure(self, configuration: bytes) -> None:
            self.failure_mode = FailureMode.OPEN if configuration == b"open" else FailureMode.CLOSED

    for configuration, action in ((b"open", 0), (b"closed", 1)):
        vm = ScriptedVm(Configured)
        vm.start(configuration)
        vm.stream()
        assert vm.call("on_request_headers", STREAM, 1, True) == action


def test_a_stream_context_is_made_for_one_stream() -> None:
    class Reusing(PluginContext):
        one: HttpContext | None = None

        def create_http_context(self) -> Any:
            self.one = self.one or HttpContext()
            return self.one

    class Forgetful(PluginContext):
        def create_http_context(self) -> Any: ...

    vm = ScriptedVm(Reusing)
    vm.start()
    vm.stream(2)
    assert vm.errors == []
    vm.stream(3)
    assert "HttpContext 2: create_http_context and create_tcp_context must make a new context" in vm.errors[0]
    vm = ScriptedVm(Forgetful)
    vm.start()
    vm.stream()
    assert "TypeError: None: create_http_context" in vm.errors[0]


@pytest.mark.parametrize("call", ["get_property", "define_metric", "increment_metric", "log"])
def test_a_host_that_cannot_take_the_report_gets_the_answer_all_the_same(
    call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> None:
        raise HostStatus(10)

    vm = http_vm(raising("on_response_headers", HttpContext, ValueError("boo")))
    monkeypatch.setattr(vm.host, call, refuse)
    assert vm.call("on_response_headers", STREAM, 1, True) == 1
    assert vm.host.calls("send_local_response") == [REFUSAL]


def test_out_of_memory_while_reporting_still_says_what_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_error: BaseException) -> str:
        raise MemoryError

    monkeypatch.setattr("proxy_wasm._report.format_exception", exhausted)
    vm = http_vm(raising("on_request_headers", HttpContext, ValueError("boo")))
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert vm.errors == ["on_request_headers raised ValueError"]
    assert vm.host.calls("send_local_response") == [REFUSAL]


def test_failing_open_where_the_host_cannot_continue_a_direction() -> None:
    class Holding(TcpContext):
        def on_upstream_data(self, data_size: int, end_of_stream: bool) -> Action:
            return Action.PAUSE

        def on_downstream_data(self, data_size: int, end_of_stream: bool) -> None:
            raise ValueError("boo")

    vm = tcp_vm(Holding, failure_mode=FailureMode.OPEN)
    vm.host.refuse["continue_stream"] = 12
    assert vm.call("on_upstream_data", STREAM, 1, False) == 1
    assert vm.call("on_downstream_data", STREAM, 1, False) == 0
    assert len(vm.errors) == 1
