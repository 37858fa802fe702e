"""A filter that does what a request's `x-do` header says, with call-outs."""

from __future__ import annotations

from proxy_wasm import (
    Action,
    HttpCall,
    HttpCallFailedError,
    HttpContext,
    PeerType,
    PluginContext,
    TcpContext,
    gather,
    log,
)


class Calling(HttpContext):
    do = ""

    async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> Action | None:
        self.do = self.request_headers.text.get("x-do") or ""
        if self.do == "auth":
            answer = await self.http_call("http", path="/auth", headers={"x-user": "ann"}, timeout=5)
            self.request_headers["x-auth"] = str(answer.status)
        elif self.do == "deny":
            await self.http_call("http", path="/auth")
            self.send_response(403, body="denied")
        elif self.do == "gather":
            first, second, third = await gather(
                self.http_call("http", path="/one"),
                self.grpc_call("grpc", "test.Echo", "Unary", b"two"),
                self.third(),
            )
            self.request_headers["x-got"] = b"%d %s %d" % (first.status, second.message, third)
        elif self.do == "stream":
            stream = self.grpc_stream("grpc", "test.Echo", "Stream")
            stream.send(b"a")
            got = [await stream.receive()]
            stream.send(b"b", end_stream=True)
            got += [message async for message in stream]
            self.request_headers["x-got"] = b"".join(message or b"" for message in got) + b"%d" % (
                stream.status or 0
            )
        elif self.do == "nowhere":
            try:
                answer = await self.http_call("nowhere")
                self.request_headers["x-got"] = str(answer.status)
            except HttpCallFailedError as error:
                self.request_headers["x-got"] = f"failed {error.status}"
        elif self.do == "fail":
            await self.http_call("http", path="/auth")
            raise ValueError("after the wait")
        elif self.do == "callback":
            self.http_call("http", path="/auth", callback=self.on_answer)
            return Action.PAUSE
        return None

    async def third(self) -> int:
        return (await self.http_call("http", path="/three")).status

    def on_answer(self, call: HttpCall) -> None:
        self.request_headers["x-got"] = str(call.result().status)
        self.continue_request()

    def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
        if self.do:
            self.request_body.replace(self.request_body.read().upper())

    async def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        if self.do == "response":
            del self.response_headers["content-length"]
            self.response_headers["x-status"] = str((await self.http_call("http", path="/auth")).status)
        elif self.do == "response-fail":
            await self.http_call("http", path="/auth")
            raise ValueError("after the wait")

    async def on_response_body(self, body_size: int, end_of_stream: bool) -> None:
        if self.do == "response" and end_of_stream:
            await self.http_call("http", path="/auth")
            self.response_body.append(b"!")

    def on_delete(self) -> None:
        log.info("gone: %s", self.do)


class Gate(TcpContext):
    """Lets nobody through while `/gate` does not answer 200."""

    async def on_new_connection(self) -> None:
        if (await self.http_call("http", path="/gate")).status != 200:
            self.close_downstream()

    def on_downstream_data(self, data_size: int, end_of_stream: bool) -> None:
        self.downstream_data.replace(self.downstream_data.read().upper())

    def on_upstream_data(self, data_size: int, end_of_stream: bool) -> None:
        self.upstream_data.append(b"!")
        if b"FAIL" in self.upstream_data.read():
            raise ValueError("boo")

    def on_downstream_connection_close(self, peer_type: PeerType) -> None:
        log.info("closed by %s", peer_type)


class Plugin(PluginContext):
    http_context = Calling
    tcp_context = Gate
