from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest
from tests.proxy_wasm.scripted import PLUGIN, STREAM, ScriptedVm, http_vm, tcp_vm

from proxy_wasm import (
    Action,
    FailureMode,
    HttpCallFailedError,
    HttpContext,
    PluginContext,
    TcpContext,
    gather,
)


class Auth(HttpContext):
    async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        answer = await self.http_call("auth", path="/check", headers={"x-user": "me"}, timeout=0.5)
        if answer.status != 200:
            self.send_response(403, body=answer.body)
        else:
            self.request_headers["x-auth"] = answer.headers["x-auth"]


def test_the_request_waits_and_goes_on_by_itself() -> None:
    vm = http_vm(Auth)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    call, upstream, pairs, body, trailers, timeout = vm.host.did[-1]
    assert (call, upstream, body, trailers, timeout) == ("http_call", b"auth", b"", [], 500)
    assert pairs == [
        (b":method", b"GET"),
        (b":path", b"/check"),
        (b":authority", b"auth"),
        (b"x-user", b"me"),
    ]
    vm.host.did.clear()
    vm.answer_http(101, headers=[(b"x-auth", b"yes")])
    assert vm.host.maps[0] == [(b"x-auth", b"yes")]
    assert vm.host.did == [("set_effective_context", STREAM), ("continue_stream", 0)]
    assert vm.context()._tasks == []
    assert vm.plugin._http_calls == {}


def test_a_denied_request_does_not_go_on() -> None:
    vm = http_vm(Auth)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101, status=401, body=b"no")
    assert vm.host.did[-1] == ("send_local_response", 403, b"", b"no", [], -1)
    assert vm.host.calls("continue_stream") == []


def test_a_coroutine_that_never_waits_answers_at_once() -> None:
    class Quick(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action | None:
            return Action.PAUSE if end_of_stream else None

    vm = http_vm(Quick)
    assert vm.call("on_request_headers", STREAM, 1, False) == 0
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert vm.host.calls("continue_stream") == []


def test_a_coroutine_that_ends_with_pause_stays_paused() -> None:
    class Holding(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action:
            await self.http_call("a")
            return Action.PAUSE

    vm = http_vm(Holding)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101)
    assert vm.host.calls("continue_stream") == []


@pytest.mark.parametrize(
    ("mode", "answer"), [(FailureMode.OPEN, "continue_stream"), (FailureMode.CLOSED, "send_local_response")]
)
def test_a_failed_call_is_an_exception_with_the_host_s_words(mode: FailureMode, answer: str) -> None:
    vm = http_vm(Auth, failure_mode=mode)
    vm.host.status = (14, b"reset")
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101, status=0)
    assert "HttpCallFailedError: HTTP call to 'auth' failed with status 14: reset" in vm.errors[0]
    assert "on_request_headers raised" in vm.errors[0]
    assert [did[0] for did in vm.host.calls("continue_stream", "send_local_response")] == [answer]


def test_a_failed_call_can_be_handled() -> None:
    class Lenient(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            try:
                await self.http_call("auth")
            except HttpCallFailedError as error:
                self.request_headers["x-auth"] = f"unknown ({error.status})"

    vm = http_vm(Lenient)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101, status=0)
    assert vm.host.maps[0] == [(b"x-auth", b"unknown (0)")]
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


def test_a_call_the_host_refuses_raises_where_it_is_made() -> None:
    vm = http_vm(Auth)
    vm.host.refuse["http_call"] = 2
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert (
        "BadArgumentError: proxy_http_call: BAD_ARGUMENT (in on_request_headers of Auth 2): is the cluster"
        in vm.errors[0]
    )
    assert vm.host.calls("send_local_response")


def test_calls_one_after_the_other() -> None:
    class Chain(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            first = await self.http_call("a")
            second = await self.http_call("b", path=first.body)
            self.request_headers["x"] = first.body + second.body

    vm = http_vm(Chain)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101, body=b"/1")
    assert vm.host.calls("continue_stream") == []
    assert vm.host.calls("http_call")[1][2][1] == (b":path", b"/1")
    vm.answer_http(102, body=b"2")
    assert vm.host.maps[0] == [(b"x", b"/12")]
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


@pytest.mark.parametrize("order", [(101, 102, 103), (103, 101, 102), (102, 103, 101)])
def test_calls_at_once(order: tuple[int, ...]) -> None:
    class Wide(HttpContext):
        async def twice(self) -> bytes:
            return (await self.http_call("c")).body * 2

        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            a, b, c = await gather(self.http_call("a"), self.http_call("b"), self.twice())
            self.request_headers["x"] = a.body + b.body + c

    vm = http_vm(Wide)
    vm.call("on_request_headers", STREAM, 1, True)
    assert len(vm.host.calls("http_call")) == 3
    for call_id in order:
        assert vm.host.maps[0] == []
        vm.answer_http(call_id, body=str(call_id).encode())
    assert vm.host.maps[0] == [(b"x", b"101102103103")]
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


def test_gather_ends_what_still_runs_when_one_fails() -> None:
    class Wide(HttpContext):
        cancelled = False

        async def slow(self) -> None:
            try:
                await self.http_call("b")
            finally:
                self.cancelled = True

        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            try:
                await gather(self.http_call("a"), self.slow())
            except HttpCallFailedError:
                assert self.cancelled

    vm = http_vm(Wide)
    stream = vm.context()
    vm.call("on_request_headers", STREAM, 1, True)
    vm.answer_http(101, status=0)
    assert stream.cancelled
    vm.answer_http(102)
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]
    assert vm.errors == []


def test_the_end_of_a_stream_ends_its_coroutines_and_leaves_nothing() -> None:
    class Waiting(HttpContext):
        async def inner(self) -> None:
            try:
                await self.http_call("b")
            finally:
                ended.append("inner")

        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            try:
                await gather(self.inner(), self.http_call("a"))
            finally:
                ended.append("outer")

    ended: list[str] = []
    vm = http_vm(Waiting)
    coroutines = []
    for stream in range(10, 60):
        vm.stream(stream)
        vm.call("on_request_headers", stream, 1, True)
        coroutines.append(weakref.ref(vm.context(stream)._tasks[0]._coroutine))
        vm.end(stream)
    gc.collect()
    assert not any(coroutine() for coroutine in coroutines)
    assert ended == ["inner", "outer"] * 50
    assert vm.plugin._http_calls == {}
    vm.answer_http(101)
    assert vm.errors == []
    assert vm.host.calls("continue_stream") == []


def test_an_exception_while_a_coroutine_is_ended_is_logged() -> None:
    class Stubborn(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            try:
                await self.http_call("a")
            finally:
                raise ValueError("at the end")

    vm = http_vm(Stubborn)
    vm.call("on_request_headers", STREAM, 1, True)
    vm.end()
    assert "on_request_headers (cancelled) raised; the stream has ended" in vm.errors[0]
    assert "ValueError: at the end" in vm.errors[0]


def test_body_and_trailers_wait_for_the_headers_coroutine_and_come_once() -> None:
    class Slow(HttpContext):
        seen: tuple[Any, ...] = ()

        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")
            self.seen += ("headers",)

        def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
            self.seen += (body_size, end_of_stream)

        def on_request_trailers(self, num_trailers: int) -> None:
            self.seen += ("trailers",)

    vm = http_vm(Slow)
    vm.host.buffers[0] = b"0123456789"
    assert vm.call("on_request_headers", STREAM, 1, False) == 1
    assert vm.call("on_request_body", STREAM, 5, False) == 1
    assert vm.call("on_request_body", STREAM, 10, False) == 1
    assert vm.call("on_request_trailers", STREAM, 1) == 1
    assert vm.context().seen == ()
    vm.answer_http(101)
    assert vm.context().seen == ("headers", 10, False, "trailers")
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


def test_a_body_callback_that_pauses_after_the_wait_keeps_the_stream_paused() -> None:
    class Collecting(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")

        def on_request_body(self, body_size: int, end_of_stream: bool) -> Action:
            return Action.CONTINUE if end_of_stream else Action.PAUSE

    vm = http_vm(Collecting)
    vm.host.buffers[0] = b"01"
    vm.call("on_request_headers", STREAM, 1, False)
    vm.call("on_request_body", STREAM, 2, False)
    vm.answer_http(101)
    assert vm.host.calls("continue_stream") == []
    assert vm.call("on_request_body", STREAM, 2, True) == 0


def test_a_body_coroutine_after_a_headers_coroutine() -> None:
    class Both(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")

        async def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
            await self.http_call("b")
            self.request_body.append(b"!")

        def on_request_trailers(self, num_trailers: int) -> None:
            self.request_headers["x-last"] = "trailers"

    vm = http_vm(Both)
    vm.host.buffers[0] = b"01"
    vm.call("on_request_headers", STREAM, 1, False)
    vm.call("on_request_body", STREAM, 2, True)
    vm.call("on_request_trailers", STREAM, 1)
    vm.answer_http(101)
    assert vm.host.calls("continue_stream") == []
    assert vm.host.maps[0] == []
    vm.answer_http(102)
    assert vm.host.buffers[0] == b"01!"
    assert vm.host.maps[0] == [(b"x-last", b"trailers")]
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]


def test_the_other_direction_is_not_held_up() -> None:
    class Slow(HttpContext):
        async def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
            await self.http_call("a")

        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Slow)
    assert vm.call("on_request_body", STREAM, 2, True) == 1
    assert vm.call("on_response_headers", STREAM, 2, True) == 0


def test_failing_in_what_waited_fails_the_stream() -> None:
    class Failing(HttpContext):
        async def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")

        def on_response_body(self, body_size: int, end_of_stream: bool) -> None:
            raise ValueError("boo")

    for mode, expected in (
        (FailureMode.OPEN, ("continue_stream", 1)),
        (FailureMode.CLOSED, ("close_stream", 1)),
    ):
        vm = http_vm(Failing, failure_mode=mode)
        vm.host.buffers[1] = b"01"
        vm.call("on_response_headers", STREAM, 1, False)
        vm.call("on_response_body", STREAM, 2, True)
        vm.answer_http(101)
        assert "on_response_body raised" in vm.errors[0]
        assert vm.host.calls("continue_stream", "close_stream", "send_local_response") == [expected]


def test_failing_after_a_wait_in_the_response_replaces_it() -> None:
    class Failing(HttpContext):
        async def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")
            raise ValueError("boo")

        def on_response_body(self, body_size: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Failing)
    vm.call("on_response_headers", STREAM, 1, False)
    vm.answer_http(101)
    assert [did[0] for did in vm.host.calls("send_local_response", "continue_stream")] == [
        "send_local_response"
    ]
    assert vm.call("on_response_body", STREAM, 2, True) == 1


def test_a_local_response_after_a_wait_in_the_response_replaces_it() -> None:
    class Replacing(HttpContext):
        async def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")
            self.send_response(502)

        def on_response_body(self, body_size: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Replacing)
    vm.call("on_response_headers", STREAM, 1, False)
    vm.answer_http(101)
    assert vm.host.calls("continue_stream") == []
    assert vm.call("on_response_body", STREAM, 2, True) == 1


def test_plugins_wait_in_the_background() -> None:
    class Fetching(PluginContext):
        config = b""

        async def on_configure(self, configuration: bytes) -> None:
            self.config = (await self.http_call("config", path=configuration)).body

        async def on_tick(self) -> None:
            self.config = (await self.http_call("config")).body
            raise ValueError("boo")

    vm = ScriptedVm(Fetching)
    assert vm.start(b"/conf") == 1
    vm.answer_http(101, body=b"1")
    assert vm.plugin.config == b"1"
    vm.call("on_tick", PLUGIN)
    vm.answer_http(102, body=b"2")
    assert vm.plugin.config == b"2"
    assert "on_tick raised; nothing waits for it" in vm.errors[0]
    assert vm.plugin._tasks == []
    vm.call("on_tick", PLUGIN)
    vm.call("on_delete", PLUGIN)


def test_one_call_may_be_awaited_by_many_streams() -> None:
    class Sharing(PluginContext):
        call: Any = None

        def token(self) -> Any:
            if self.call is None:
                self.call = self.http_call("token")
            return self.call

    class Stream(HttpContext):
        plugin: Sharing

        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            self.request_headers.add("x-token", (await self.plugin.token()).body)

    Sharing.http_context = Stream
    vm = ScriptedVm(Sharing)
    vm.start()
    for stream in (2, 3):
        vm.stream(stream)
        assert vm.call("on_request_headers", stream, 1, True) == 1
    vm.host.did.clear()
    vm.answer_http(101, body=b"t")
    assert vm.host.maps[0] == [(b"x-token", b"t")] * 2
    assert vm.host.did == [
        ("set_effective_context", 2),
        ("continue_stream", 0),
        ("set_effective_context", 3),
        ("continue_stream", 0),
    ]
    vm.stream(4)
    assert vm.call("on_request_headers", 4, 1, True) == 0


def test_asyncio_is_not_awaited_here() -> None:
    class Foreign(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await asyncio.sleep(0)

    vm = http_vm(Foreign)
    assert vm.call("on_request_headers", STREAM, 1, True) == 1
    assert "there is no asyncio inside a proxy" in vm.errors[0]


def test_results_come_when_they_are_there() -> None:
    class Impatient(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            call = self.http_call("a")
            assert not call.done()
            with pytest.raises(RuntimeError, match="no result yet"):
                call.result()

    vm = http_vm(Impatient)
    assert vm.call("on_request_headers", STREAM, 1, True) == 0
    assert vm.errors == []


def test_tcp_streams_wait_too() -> None:
    class Gate(TcpContext):
        async def on_new_connection(self) -> None:
            if (await self.http_call("gate")).status != 200:
                self.close_downstream()

        def on_downstream_data(self, data_size: int, end_of_stream: bool) -> None:
            self.downstream_data.append(b"!")

    vm = tcp_vm(Gate)
    vm.host.buffers[2] = b"hi"
    assert vm.call("on_new_connection", STREAM) == 1
    assert vm.call("on_downstream_data", STREAM, 2, False) == 1
    vm.answer_http(101)
    assert vm.host.buffers[2] == b"hi!"
    assert vm.host.calls("continue_stream") == [("continue_stream", 2)]
    vm.stream(3)
    vm.call("on_new_connection", 3)
    vm.answer_http(102, status=403)
    assert vm.host.calls("close_stream", "continue_stream")[1:] == [("close_stream", 2)]


def test_whoever_waits_for_a_call_of_a_stream_that_ends_is_told() -> None:
    calls: list[Any] = []

    class Following(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            if not calls:
                calls.append(self.http_call("a"))
            try:
                await calls[0]
            except HttpCallFailedError as error:
                self.request_headers["x-error"] = str(error)

        def on_done(self) -> None:
            self.properties.get("x")

    vm = http_vm(Following)
    vm.stream(3)
    for stream in (STREAM, 3):
        vm.call("on_request_headers", stream, 1, True)
    vm.host.did.clear()
    vm.call("on_done", STREAM)
    assert vm.host.maps[0] == [
        (b"x-error", b"HTTP call to 'a' failed with status 0: the stream that made it has ended")
    ]
    assert vm.host.did == [
        ("set_effective_context", 3),
        ("continue_stream", 0),
        ("set_effective_context", STREAM),
    ]
    assert vm.errors == []


def test_a_stream_that_was_let_go_on_early_does_not_go_on_twice() -> None:
    class Early(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")
            self.continue_request()
            self.continue_request()
            await self.http_call("report")

        def on_request_body(self, body_size: int, end_of_stream: bool) -> None: ...

    vm = http_vm(Early)
    vm.host.buffers[0] = b"x"
    for stream in (STREAM, 3):
        vm.stream(stream)
        vm.call("on_request_headers", stream, 1, False)
    vm.answer_http(101)
    vm.answer_http(103)
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)]
    vm.answer_http(102)
    assert vm.call("on_request_body", 3, 1, True) == 1
    vm.answer_http(104)
    assert vm.host.calls("continue_stream") == [("continue_stream", 0)] * 3


def test_what_was_held_back_does_not_come_after_an_answer() -> None:
    class Denying(HttpContext):
        async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            await self.http_call("a")
            self.send_response(403)

        def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
            raise AssertionError("not after the answer")

    vm = http_vm(Denying)
    vm.host.buffers[0] = b"x"
    vm.call("on_request_headers", STREAM, 1, False)
    vm.call("on_request_body", STREAM, 1, True)
    vm.answer_http(101)
    assert vm.errors == []
    assert vm.host.calls("continue_stream") == []


@pytest.mark.parametrize("waits", [True, False])
def test_finished_work_leaves_no_cycles(waits: bool) -> None:
    made: list[Any] = []

    class Failing(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Any:
            coroutine = self.work()
            made.append(weakref.ref(coroutine))
            return coroutine

        async def work(self) -> None:
            if waits:
                await self.http_call("a")
            raise ValueError("boo")

    vm = http_vm(Failing, failure_mode=FailureMode.OPEN)
    gc.collect()
    gc.disable()
    try:
        vm.call("on_request_headers", STREAM, 1, True)
        if waits:
            vm.answer_http(101)
        vm.end()
        assert made[0]() is None
    finally:
        gc.enable()
