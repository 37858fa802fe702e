from __future__ import annotations

from typing import Any

import pytest
from tests.proxy_wasm.scripted import PLUGIN, STREAM, ScriptedVm, http_vm, inside

from proxy_wasm import (
    Action,
    FailureMode,
    GrpcCall,
    GrpcCallFailedError,
    GrpcStream,
    HttpCall,
    HttpCallFailedError,
    HttpContext,
    InvalidHeaderError,
    PluginContext,
    ProxyWasmError,
    get_status,
)


class ByCallback(HttpContext):
    answer: Any = None

    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action:
        self.http_call(
            b"users",
            method="POST",
            path="/q",
            authority="users.local",
            headers=[("x", "1")],
            body=b"{}",
            trailers={"t": "2"},
            callback=self.on_user,
        )
        return Action.PAUSE

    def on_user(self, call: HttpCall) -> None:
        try:
            response = call.result()
        except HttpCallFailedError as error:
            self.answer = (error.status, error.message, get_status())
        else:
            self.answer = (
                response.status,
                response.headers["x-a"],
                response.body,
                response.trailers.text["t"],
            )
        self.continue_request()


def test_an_http_call_by_callback() -> None:
    vm = http_vm(ByCallback)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert vm.host.did[-1] == (
        "http_call",
        b"users",
        [(b":method", b"POST"), (b":path", b"/q"), (b":authority", b"users.local"), (b"x", b"1")],
        b"{}",
        [(b"t", b"2")],
        5000,
    )
    vm.answer_http(101, 201, b"body", [(b"x-a", b"1")], [(b"t", b"3")])
    assert vm.context().answer == (201, b"1", b"body", "3")
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]
    assert vm.call("on_response_headers", STREAM, 1, True) == 0


def test_a_failed_http_call_by_callback() -> None:
    vm = http_vm(ByCallback)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.host.status = (4, b"timeout")
    vm.answer_http(101, status=0)
    assert vm.context().answer == (4, "timeout", (4, b"timeout"))


def test_a_callback_may_be_async() -> None:
    class Twice(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action:
            self.http_call("a", callback=self.again)
            return Action.PAUSE

        async def again(self, call: HttpCall) -> None:
            await self.http_call("b")
            self.continue_request()

    vm = http_vm(Twice)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101)
    assert vm.host.calls("continue_stream") == []
    vm.answer_http(102)
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


@pytest.mark.parametrize(
    ("mode", "expected"), [(FailureMode.OPEN, "continue_stream"), (FailureMode.CLOSED, "send_local_response")]
)
def test_an_exception_in_a_callback_fails_the_stream(mode: FailureMode, expected: str) -> None:
    class Failing(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action:
            self.http_call("a", callback=self.fail)
            return Action.PAUSE

        def fail(self, call: HttpCall) -> None:
            raise ValueError("boo")

    vm = http_vm(Failing, failure_mode=mode)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101)
    assert "on_http_call_response raised" in vm.errors[0]
    assert [did[0] for did in vm.host.calls("continue_stream", "send_local_response")] == [expected]


def test_a_plugin_s_call_outlives_the_stream_that_wanted_it() -> None:
    class Reporting(PluginContext):
        reported = 0

        def on_reported(self, call: HttpCall) -> None:
            self.reported += call.result().status

    class Stream(HttpContext):
        plugin: Reporting

        def on_log(self) -> None:
            self.plugin.http_call("report", callback=self.plugin.on_reported)
            self.http_call("mine", callback=self.never)

        def never(self, call: HttpCall) -> None:
            raise AssertionError("the stream is gone")

    Reporting.http_context = Stream
    vm = ScriptedVm(Reporting)
    vm.start()
    vm.stream()
    vm.end()
    vm.answer_http(101, 202)
    vm.answer_http(102, 202)
    assert vm.plugin.reported == 202
    assert vm.errors == []
    assert vm.plugin._calls == set()


@pytest.mark.parametrize("timeout", [0, -1, 0.0001, 1e10])
def test_a_call_needs_a_time(timeout: float) -> None:
    vm = http_vm(HttpContext)
    with inside(vm) as stream, pytest.raises(ValueError, match="seconds"):
        stream.http_call("a", timeout=timeout)


def test_a_path_from_outside_cannot_become_another_header() -> None:
    vm = http_vm(HttpContext)
    with inside(vm) as stream, pytest.raises(InvalidHeaderError):
        stream.http_call("a", path="/\r\nx: y")


def test_answers_to_nobody_are_ignored() -> None:
    vm = http_vm(HttpContext)
    vm.answer_http(999)
    for name in (
        "grpc_receive_initial_metadata",
        "grpc_receive",
        "grpc_receive_trailing_metadata",
        "grpc_close",
    ):
        vm.call(f"on_{name}", PLUGIN, 999, 0)
    vm.call("on_http_call_response", 77, 1, 0, 0, 0)
    assert vm.errors == []


class Unary(HttpContext):
    answer: Any = None

    async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        try:
            response = await self.grpc_call("c", "pkg.S", "M", b"ask", metadata={"k": "v"}, timeout=1)
        except GrpcCallFailedError as error:
            self.answer = (error.status, str(error))
        else:
            self.answer = (response.message, response.initial_metadata.text.get("i"))


def test_a_grpc_call() -> None:
    vm = http_vm(Unary)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert vm.host.did[-1] == ("grpc_call", b"c", b"pkg.S", b"M", [(b"k", b"v")], b"ask", 1000)
    vm.host.maps[4] = [(b"i", b"first")]
    vm.call("on_grpc_receive_initial_metadata", PLUGIN, 101, 1)
    vm.host.buffers[5] = b"told"
    vm.call("on_grpc_receive", PLUGIN, 101, 4)
    assert vm.context().answer == (b"told", "first")
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]
    vm.call("on_grpc_receive_trailing_metadata", PLUGIN, 101, 0)
    vm.call("on_grpc_close", PLUGIN, 101, 0)
    vm.end()
    assert vm.host.calls("grpc_cancel", "grpc_close") == []
    assert vm.errors == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (7, (7, "gRPC pkg.S/M failed with status 7: no")),
        (0, (13, "gRPC pkg.S/M failed with status 13: closed without a message")),
    ],
)
def test_a_grpc_call_that_fails(status: int, expected: tuple[int, str]) -> None:
    vm = http_vm(Unary)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.host.status = (status, b"no")
    vm.call("on_grpc_close", PLUGIN, 101, status)
    assert vm.context().answer == expected


def test_a_grpc_call_ends_with_its_stream() -> None:
    vm = http_vm(Unary)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.end()
    assert vm.host.calls("grpc_cancel") == [("grpc_cancel", 101)]
    assert vm.plugin._grpc_calls == {}
    vm.call("on_grpc_receive", PLUGIN, 101, 0)


def test_a_grpc_call_by_callback_and_its_cancellation() -> None:
    class Calling(PluginContext):
        answers: tuple[bytes, ...] = ()

        def on_configure(self, configuration: bytes) -> None:
            self.first = self.grpc_call("c", "S", "M", callback=self.on_answer)
            self.second = self.grpc_call("c", "S", "M", callback=self.on_answer)

        def on_answer(self, call: GrpcCall) -> None:
            self.answers += (call.result().message,)

        def on_tick(self) -> None:
            self.second.cancel()
            self.second.cancel()

    vm = ScriptedVm(Calling)
    vm.start()
    vm.call("on_grpc_receive", PLUGIN, 101, 0)
    assert vm.plugin.answers == (b"",)
    vm.call("on_tick", PLUGIN)
    assert vm.host.calls("grpc_cancel") == [("grpc_cancel", 102)]
    with pytest.raises(GrpcCallFailedError, match="cancelled"):
        vm.plugin.second.result()
    assert vm.plugin.answers == (b"",)


class Chat(PluginContext):
    def __init__(self) -> None:
        self.said: list[Any] = []

    async def on_tick(self) -> None:
        self.stream = self.grpc_stream("c", "S", "Chat", metadata=[("k", "v")])
        self.stream.send(b"hello")
        try:
            async for message in self.stream:
                self.said.append(message)
        except GrpcCallFailedError as error:
            self.said.append(error.status)
        self.said.append("end")


def receive(vm: ScriptedVm, message: bytes, call_id: int = 101) -> None:
    vm.host.buffers[5] = message
    vm.call("on_grpc_receive", PLUGIN, call_id, len(message))


def test_a_grpc_stream_with_async_for() -> None:
    vm = ScriptedVm(Chat)
    vm.start()
    vm.call("on_tick", PLUGIN)
    assert vm.host.did == [
        ("grpc_stream", b"c", b"S", b"Chat", [(b"k", b"v")]),
        ("grpc_send", 101, b"hello", False),
    ]
    vm.host.maps |= {4: [(b"a", b"1")], 5: [(b"z", b"2")]}
    vm.call("on_grpc_receive_initial_metadata", PLUGIN, 101, 1)
    receive(vm, b"one")
    receive(vm, b"")
    receive(vm, b"two")
    stream = vm.plugin.stream
    assert vm.plugin.said == [b"one", b"", b"two"]
    stream_status = (stream.status, stream.status_message)
    assert stream_status == (None, "")
    vm.call("on_grpc_receive_trailing_metadata", PLUGIN, 101, 1)
    vm.call("on_grpc_close", PLUGIN, 101, 0)
    assert vm.plugin.said[-1] == "end"
    assert stream.status == 0
    assert stream.initial_metadata.text["a"] == "1"
    assert stream.trailing_metadata["z"] == b"2"
    with pytest.raises(ProxyWasmError, match="nothing can be sent"):
        stream.send(b"late")
    stream.close()
    stream.cancel()
    assert vm.host.calls("grpc_close", "grpc_cancel") == []
    assert vm.plugin._grpc_calls == {}
    assert vm.errors == []


def test_a_grpc_stream_that_fails() -> None:
    vm = ScriptedVm(Chat)
    vm.start()
    vm.call("on_tick", PLUGIN)
    vm.host.status = (14, b"gone")
    receive(vm, b"one")
    vm.call("on_grpc_close", PLUGIN, 101, 14)
    assert vm.plugin.said == [b"one", 14, "end"]
    assert vm.plugin.stream.status_message == "gone"


def test_a_grpc_stream_by_callback() -> None:
    class Listening(PluginContext):
        heard: tuple[Any, ...] = ()

        def on_configure(self, configuration: bytes) -> None:
            self.stream = self.grpc_stream(
                "c", "S", "Chat", on_message=self.on_message, on_close=self.on_close
            )

        def on_message(self, stream: GrpcStream, message: bytes) -> None:
            self.heard += (message,)
            stream.send(message, end_stream=message == b"2")

        def on_close(self, stream: GrpcStream) -> None:
            self.heard += (stream.status,)

    vm = ScriptedVm(Listening)
    vm.start()
    receive(vm, b"1")
    receive(vm, b"2")
    vm.plugin.stream.close()
    vm.host.status = (5, b"")
    vm.call("on_grpc_close", PLUGIN, 101, 5)
    assert vm.plugin.heard == (b"1", b"2", 5)
    assert vm.host.calls("grpc_send", "grpc_close") == [
        ("grpc_send", 101, b"1", False),
        ("grpc_send", 101, b"2", True),
    ]


def test_closing_and_cancelling_a_grpc_stream() -> None:
    class Leaving(PluginContext):
        over: tuple[str, ...] = ()

        async def on_tick(self) -> None:
            stream = self.stream = self.grpc_stream("c", "S", "Chat")
            try:
                await stream
            except GrpcCallFailedError as error:
                self.over += (error.message,)

        def on_queue_ready(self, queue_id: int) -> None:
            self.stream.close()
            self.stream.close()
            self.stream.cancel()

    vm = ScriptedVm(Leaving)
    vm.start()
    vm.call("on_tick", PLUGIN)
    vm.call("on_queue_ready", PLUGIN, 1)
    assert vm.host.calls("grpc_close", "grpc_cancel") == [("grpc_close", 101), ("grpc_cancel", 101)]
    assert vm.plugin.over == ("cancelled",)
    vm.call("on_tick", PLUGIN)
    vm.call("on_delete", PLUGIN)
    assert vm.host.calls("grpc_cancel")[-1] == ("grpc_cancel", 102)
