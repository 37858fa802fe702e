"""A small HTTP/1.1 server to put behind an Envoy: the sample upstream of `run`, and for tests."""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from leaksignal_wasm.envoy_config import Upstream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from email.message import Message


@dataclass(frozen=True)
class Received:
    """A request as the upstream got it."""

    method: str
    path: str
    headers: Message[str, str]
    body: bytes
    chunks: Sequence[int]
    """Sizes of the chunks of a chunked body: how the proxy split it; empty with a content-length."""


@dataclass(frozen=True)
class Answer:
    """What the upstream says; with `chunks` or `trailers` in chunked encoding, else with a content-length."""

    status: int = 200
    headers: Sequence[tuple[str, str]] = ()
    body: bytes = b""
    chunks: Sequence[bytes] | None = None
    trailers: Sequence[tuple[str, str]] = ()


def echo(received: Received) -> Answer:
    """Answer with the request's own body and content type."""
    kind = received.headers.get("content-type")
    return Answer(headers=[("content-type", kind)] if kind else (), body=received.body)


def describe(received: Received) -> Answer:
    """Answer with JSON that says what was received, as the sample upstream of `leaksignal-wasm run` does."""
    document = {
        "method": received.method,
        "path": received.path,
        "headers": {name: ", ".join(received.headers.get_all(name) or ()) for name in received.headers},
        "body": received.body.decode("utf-8", "replace"),
        "bytes": len(received.body),
    }
    body = json.dumps(document, indent=2).encode() + b"\n"
    return Answer(headers=[("content-type", "application/json"), ("server", "sample-upstream")], body=body)


@dataclass
class HttpUpstream:
    """A running server on loopback: it keeps what it gets and answers as it is told."""

    port: int
    respond: Callable[[Received], Answer] = echo
    requests: list[Received] = field(default_factory=list)
    keep: bool = True
    """Whether `requests` grows."""

    @property
    def address(self) -> Upstream:
        """Where it listens."""
        return Upstream("127.0.0.1", self.port)

    def reset(self) -> None:
        """Forget the requests, and echo from now on."""
        self.requests.clear()
        self.respond = echo


@contextlib.contextmanager
def serve_http(respond: Callable[[Received], Answer] = echo, *, keep: bool = True) -> Iterator[HttpUpstream]:
    """Run an HttpUpstream on a free port of the loopback for the time of the `with` block."""
    upstream = HttpUpstream(0, respond, keep=keep)
    handler = type("Handler", (_Handler,), {"upstream": upstream})
    with _Server(("127.0.0.1", 0), handler) as server, _running(server):
        upstream.port = server.server_address[1]
        yield upstream


@contextlib.contextmanager
def serve_tcp_echo() -> Iterator[Upstream]:
    """Run a TCP server on a free port of the loopback that sends back what it gets, and yield where it is."""
    with _TcpServer(("127.0.0.1", 0), _TcpEcho) as server, _running(server):
        yield Upstream("127.0.0.1", server.server_address[1])


@contextlib.contextmanager
def _running(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="upstream", daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


class _TcpEcho(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1 << 16):
            self.request.sendall(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a proxy that closes its connection is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    upstream: HttpUpstream

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # whatever the method is
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        body, chunks = self._body()
        received = Received(self.command, self.path, self.headers, body, chunks)
        if self.upstream.keep:
            self.upstream.requests.append(received)
        self._send(self.upstream.respond(received))

    def _body(self) -> tuple[bytes, list[int]]:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("content-length", 0))), []
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(parts), [len(part) for part in parts]

    def _send(self, answer: Answer) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        bodyless = self.command == "HEAD" or answer.status in (204, 304)
        chunked = not bodyless and (answer.chunks is not None or answer.trailers)
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        elif answer.status not in (204, 304):
            self.send_header("content-length", str(len(answer.body)))
        self.end_headers()
        if bodyless:
            return
        if not chunked:
            self.wfile.write(answer.body)
            return
        for part in (answer.body,) if answer.chunks is None else answer.chunks:
            if part:
                self.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()
        trailers = "".join(f"{name}: {value}\r\n" for name, value in answer.trailers)
        self.wfile.write(f"0\r\n{trailers}\r\n".encode("latin-1"))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name for it
        """Say nothing: Envoy and the filter are what is listened to."""
