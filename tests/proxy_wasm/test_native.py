"""The SDK under a host with Envoy's rules, in this interpreter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_wasm import (
    Action,
    Counter,
    FailureMode,
    HttpCallFailedError,
    HttpContext,
    PluginContext,
    SharedQueue,
    TcpContext,
    gather,
    shared_data,
)
from proxy_wasm_host import CallFailure, GrpcReply, GrpcStream, Host, HttpReply, VirtualClock

if TYPE_CHECKING:
    from proxy_wasm_host import HttpStream

REQUEST = [(":method", "GET"), (":path", "/"), (":authority", "example.org"), ("x-request-id", "4f8c")]
OK = [(":status", "200")]


class Editing(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.request_headers["x-plugin"] = self.properties.plugin_name or ""

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        del self.response_headers["content-length"]

    def on_response_body(self, body_size: int, end_of_stream: bool) -> Action | None:
        if not end_of_stream:
            return Action.PAUSE
        body = self.response_body
        body[2:4] = b"--"
        body.append(b"!")
        return None


def test_headers_and_bodies_are_edited() -> None:
    with Host() as host:
        plugin = host.native_vm(Editing).plugin(name="edit")
        with plugin.http_stream() as stream:
            out = stream.request(REQUEST)
            assert out.headers is not None
            assert out.headers["x-plugin"] == b"edit"
            back = stream.response([*OK, ("content-length", "6")], body=[b"abc", b"def"])
            assert back.body == b"ab--ef!"
            assert back.headers is not None
            assert "content-length" not in back.headers


class Asking(HttpContext):
    async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        try:
            user, quota = await gather(
                self.http_call("users", path="/me"), self.grpc_call("quota", "Q", "Get", b"me")
            )
        except HttpCallFailedError as error:
            self.send_response(503, body=str(error))
            return
        self.request_headers["x-user"] = user.body
        self.request_headers["x-quota"] = quota.message

    def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
        if self.request_body.size:
            self.request_body.append(b"?")


def paused(stream: HttpStream) -> bool:
    """Return whether the request waits at this moment; a type checker takes a property for settled once it was asserted."""
    return stream.request_paused


def test_the_request_waits_for_its_calls() -> None:
    clock = VirtualClock()
    with Host(clock=clock) as host:
        host.cluster("users", HttpReply(body=b"ann", after=0.2))
        host.cluster("quota", grpc=GrpcReply(message=b"7", after=0.1))
        plugin = host.native_vm(Asking).plugin()
        with plugin.http_stream() as stream:
            stream.request(REQUEST, body=[b"a", b"b"])
            assert paused(stream)
            before = stream.upstream
            assert before.headers is None
            clock.advance(0.15)
            assert paused(stream)
            clock.advance(0.1)
            assert not paused(stream)
            assert stream.upstream.headers is not None
            assert stream.upstream.headers["x-user"] == b"ann"
            assert stream.upstream.headers["x-quota"] == b"7"
            assert stream.upstream.body == b"ab?"


def test_a_broken_connection_is_an_exception_to_handle() -> None:
    with Host() as host:
        host.cluster("users", lambda _: CallFailure())
        host.cluster("quota", grpc=GrpcReply(message=b"7"))
        plugin = host.native_vm(Asking).plugin()
        with plugin.http_stream() as stream:
            stream.request(REQUEST)
            assert stream.downstream.status == 503
            assert b"HTTP call to 'users' failed" in stream.downstream.body


def test_a_client_that_goes_away_while_its_request_waits_leaves_nothing() -> None:
    with Host() as host:
        host.cluster("users")
        host.cluster("quota")
        vm = host.native_vm(Asking)
        plugin = vm.plugin()
        for _ in range(3):
            with plugin.http_stream() as stream:
                stream.request(REQUEST)
        assert len(vm.dispatcher._contexts) == 1
        for call in host.calls:
            call.reply()  # type: ignore[union-attr] # no gRPC streams here
        host.settle()
        assert host.messages() == []


class Failing(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        if self.request_headers["x-fail"] == b"request":
            raise ValueError("boo")

    def on_response_body(self, body_size: int, end_of_stream: bool) -> None:
        if self.request_id == "4f8c":
            raise ValueError("boo")


class FailingOpen(Failing):
    failure_mode = FailureMode.OPEN


def test_failing_closed() -> None:
    with Host() as host:
        plugin = host.native_vm(Failing).plugin(name="bad")
        with plugin.http_stream() as stream:
            stream.request([*REQUEST, ("x-fail", "request")])
            assert stream.downstream.status == 500
            assert stream.upstream.headers is None
        with plugin.http_stream() as stream:
            stream.request([*REQUEST, ("x-fail", "response")])
            back = stream.response(OK, body=[b"secret"])
            assert back.body == b""
            assert not back.ended
        assert "[plugin=bad request=4f8c context=" in host.messages()[0]
        assert host.metrics["python.exceptions.bad"] == 2


def test_failing_open() -> None:
    with Host() as host:
        plugin = host.native_vm(FailingOpen).plugin(name="bad")
        with plugin.http_stream() as stream:
            stream.request([*REQUEST, ("x-fail", "request")])
            assert stream.upstream.headers is not None
            assert stream.response(OK, body=[b"open"]).body == b"open"
        assert host.metrics["python.exceptions.bad"] == 1


SEEN = Counter("seen")


class Sharing(PluginContext):
    def on_configure(self, configuration: bytes) -> None:
        self.queue = SharedQueue.register("jobs")
        self.set_tick_period(1)
        self.jobs: tuple[bytes, ...] = ()

    def on_tick(self) -> None:
        shared_data.update("ticks", lambda value: b"%d" % (int(value or b"0") + 1))
        SEEN.increment()
        self.queue.enqueue(configuration := b"job")
        assert configuration

    def on_queue_ready(self, queue_id: int) -> None:
        assert queue_id == self.queue.queue_id
        self.jobs += tuple(self.queue)


def test_plugins_of_several_vms_share_data_queues_and_metrics() -> None:
    clock = VirtualClock()
    with Host(clock=clock) as host:
        vms = [host.native_vm(Sharing, vm_id="shared") for _ in range(2)]
        for vm in vms:
            vm.plugin()
        clock.advance(3)
        assert host.metrics["seen"] == 6
        contexts = [context for vm in vms for context in vm.dispatcher._contexts.values()]
        assert sum(len(context.jobs) for context in contexts if isinstance(context, Sharing)) == 6
        ticks = host.shared_data.get("shared", b"ticks")
        assert ticks is not None
        assert ticks[0] == b"6"


class Chatting(PluginContext):
    said: tuple[bytes, ...] = ()

    async def on_configure(self, configuration: bytes) -> None:
        stream = self.grpc_stream("chat", "Chat", "Talk")
        stream.send(b"hello")
        stream.send(b"bye", end_stream=True)
        async for message in stream:
            self.said += (message,)


def test_a_grpc_stream() -> None:
    opened: list[GrpcStream] = []
    with Host() as host:
        host.cluster("chat", grpc_stream=opened.append)
        vm = host.native_vm(Chatting)
        vm.plugin()
        (stream,) = opened
        stream.send(b"one")
        stream.send(b"two")
        stream.close()
        host.settle()
        (context,) = vm.dispatcher._contexts.values()
        assert isinstance(context, Chatting)
        assert context.said == (b"one", b"two")
        assert host.messages() == []


class Gate(TcpContext):
    async def on_new_connection(self) -> None:
        await self.http_call("gate")

    def on_downstream_data(self, data_size: int, end_of_stream: bool) -> None:
        self.downstream_data.replace(self.downstream_data.read().upper())


def test_a_tcp_stream() -> None:
    with Host() as host:
        host.cluster("gate", HttpReply())
        plugin = host.native_vm(Gate).plugin()
        stream = plugin.tcp_stream()
        stream.connect()
        assert stream.downstream_data(b"hello").data == b"HELLO"
        stream.close()
        assert host.messages() == []
