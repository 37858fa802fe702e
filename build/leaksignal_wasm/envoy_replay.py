"""Captured traffic through a real Envoy: a client before it sends, an upstream behind it answers as recorded.

    with EnvoyReplay([WasmPlugin(Path("filter.wasm"))]) as through:
        for outcome in through.replay(load_capture("traffic.har")):
            print(outcome.status, outcome.upstream)

Exchanges go one after the other over HTTP/1.1, whatever they were recorded with, so that log lines can be
told apart. Outcomes are those of `proxy_wasm_host.replay`, without `actions` and `metrics`, which can't be
seen from outside; `metrics()` has the totals.
"""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, Self

from leaksignal_wasm import http1
from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy_config import Codec, Upstream, proxy
from proxy_wasm_host import LogLevel
from proxy_wasm_host.replay import Outcome, sendable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from leaksignal_wasm.envoy_config import Config, WasmPlugin
    from proxy_wasm_host.capture import Exchange, Message

METRICS: Final = "wasmcustom."
"""What Envoy puts before the names of a plugin's metrics."""

_TIMEOUT: Final = 60.0
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_LEVELS: Final = {level.name.lower(): level for level in LogLevel} | {"warning": LogLevel.WARN}


class EnvoyReplay:
    """An Envoy with plugins, for replaying: a context manager. It takes seconds to start: send much through one.

    `clusters` are added for call-outs; `process` goes to `EnvoyProcess`.
    """

    def __init__(
        self, plugins: Sequence[WasmPlugin], *, clusters: Sequence[Config] = (), **process: Any
    ) -> None:
        self._plugins = plugins
        self._clusters = clusters
        self._process = process
        self._stack = contextlib.ExitStack()
        self._upstream = _ScriptedUpstream()
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._runner = stack.enter_context(asyncio.Runner())
            port = self._runner.run(self._upstream.start())
            stack.callback(lambda: self._runner.run(self._close()))
            config = proxy(
                self._plugins, Upstream("127.0.0.1", port), codec=Codec.HTTP1, clusters=self._clusters
            )
            self.envoy = stack.enter_context(EnvoyProcess(with_trailers(config), **self._process))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def replay(self, exchanges: Iterable[Exchange], *, chunk_size: int | None = None) -> Iterator[Outcome]:
        """Send exchanges through Envoy and yield what became of them, but for tunnels (see `replayable`)."""
        for recorded in exchanges:
            if replayable(recorded):
                yield self._runner.run(self._outcome(sendable(recorded, chunk_size)))

    def metrics(self) -> dict[str, int]:
        """Return the plugins' counters and gauges so far, by the names the plugins gave them."""
        found = self.envoy.stats(f"^{METRICS}")
        return {name.removeprefix(METRICS): value for name, value in found.items()}

    async def _outcome(self, exchange: Exchange) -> Outcome:
        logged = len(self.envoy.log_lines())
        self._upstream.script(exchange)
        failure = None
        try:
            client = await asyncio.wait_for(self._ask(exchange), _TIMEOUT)
        except (OSError, http1.ProtocolError, asyncio.IncompleteReadError) as error:
            client, failure = None, f"reset: {error}"
        except TimeoutError:
            client, failure = None, f"no answer within {_TIMEOUT:.0f} s"
        if client is None or failure is not None:
            await self._disconnect()
        upstream = self._upstream.seen
        if exchange.response is None and upstream is not None:
            # Nothing was recorded, so the upstream hung up; what Envoy says to that is not of interest.
            client = None
        lines = tuple(
            (_LEVELS.get(line.level, LogLevel.INFO), text)
            for line in self.envoy.log_lines()[logged:]
            if (text := line.of_filter) is not None
        )
        return Outcome(exchange, upstream, client, logs=lines, failure=failure)

    async def _ask(self, exchange: Exchange) -> Message | None:
        reader, writer = await self._connect()
        sending = asyncio.ensure_future(_send(writer, http1.write_request(exchange.request)))
        try:
            answer = await http1.read_response(reader, exchange.method)
        finally:
            sent_all = sending.done()
            sending.cancel()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await sending
        closing = answer is None or (answer.get(b"connection") or b"").lower() == b"close"
        if closing or not sent_all or reader.at_eof():
            await self._disconnect()
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._connection is None:
            self._connection = await asyncio.open_connection(
                "127.0.0.1", self.envoy.port(), limit=http1.LARGEST_HEAD
            )
        return self._connection

    async def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection[1].close()
            self._connection = None

    async def _close(self) -> None:
        await self._disconnect()
        await self._upstream.stop()


def replayable(exchange: Exchange) -> bool:
    """Tell whether an exchange is an ordinary request and response, not the start of a tunnel."""
    tunnel = exchange.method == "CONNECT" or exchange.request.get(b"upgrade") is not None
    return not tunnel and exchange.status != HTTPStatus.SWITCHING_PROTOCOLS


def with_trailers(config: Config) -> Config:
    """Let Envoy pass trailers over HTTP/1.1 on both sides, which it drops by default; changes `config`."""
    resources = config["static_resources"]
    for listener in resources["listeners"]:
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        manager.setdefault("http_protocol_options", {})["enable_trailers"] = True
    for cluster in resources["clusters"]:
        options = cluster.setdefault("typed_extension_protocol_options", {})
        options.setdefault(
            _HTTP_OPTIONS,
            {
                "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
                "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}},
            },
        )
    return config


async def _send(writer: asyncio.StreamWriter, pieces: list[bytes]) -> None:
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


class _ScriptedUpstream:
    """A server that notes the request it gets and answers with the response of the exchange at hand."""

    def __init__(self) -> None:
        self.seen: Message | None = None
        self._exchange: Exchange | None = None
        self._server: asyncio.Server | None = None
        self._connections: dict[asyncio.Task[Any], asyncio.StreamWriter] = {}

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=http1.LARGEST_HEAD)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def script(self, exchange: Exchange) -> None:
        self.seen = None
        self._exchange = exchange

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._connections.values():
            writer.transport.abort()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._connections[task] = writer
            task.add_done_callback(self._connections.pop)
        with contextlib.suppress(OSError, http1.ProtocolError, asyncio.IncompleteReadError):
            while await self._answer(reader, writer):
                pass
        writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await http1.read_request(reader)
        if request is None or self._exchange is None:
            return False
        self.seen = request
        if self._exchange.response is None:
            return False
        await _send(writer, http1.write_response(self._exchange.response, self._exchange.method))
        return True
