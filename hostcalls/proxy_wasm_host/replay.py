"""Captured traffic through a plugin: what it did to each exchange, in a form that can be compared.

    for outcome in replay(plugin, load_capture("traffic.har")): print(outcome.exchange.path, outcome.status,
    header_changes(outcome.request.headers, outcome.upstream.headers))

`Outcome.normalised()` drops what a proxy adds on the way, so that the same exchange through this host and
through Envoy gives equal results; `differences` says in words where two outcomes are not equal.
"""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from proxy_wasm_host.capture import Exchange, Headers, Message
from proxy_wasm_host.capture.exchange import status_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from proxy_wasm_host import LogLevel
    from proxy_wasm_host._host import Host
    from proxy_wasm_host._http import HttpStream
    from proxy_wasm_host._http import Message as StreamView
    from proxy_wasm_host._local_reply import LocalResponse
    from proxy_wasm_host._plugin import Plugin

PATIENCE: Final = 60.0
"""Seconds of virtual time that a paused stream is given: call-outs that nobody answers time out in it."""

_PROXYS_OWN: Final = frozenset(
    (
        b":scheme connection date keep-alive server te transfer-encoding via"
        b" x-forwarded-for x-forwarded-proto x-request-id"
    ).split()
)
_COOKIES: Final = frozenset((b"cookie", b"set-cookie"))
_EMPTY: Final = (b"content-length", [b"0"])
_SIDES: Final = ("upstream", "client")
_NO_BODY: Final = frozenset((*range(100, 200), 204, 304))

Side: TypeAlias = "tuple[Headers, bytes, Headers] | None"
"""Headers (by name), body and trailers (by name) as one side saw them; None if nothing came."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one exchange.

    `exchange` is what was replayed (see `sendable`), `upstream` what the upstream saw of the request,
    `client` what the client saw of the response (None: nothing came, or the stream was reset). `actions` are
    the filter's answers by callback in order, `logs` its lines, `metrics` by how much its metrics moved.
    `failure` says why a stream ended early: a trap, a reset, a filter that never let the request go on. A
    replay through Envoy can't see `actions`.
    """

    exchange: Exchange
    upstream: Message | None
    client: Message | None
    actions: tuple[tuple[str, int], ...] = ()
    local_response: LocalResponse | None = None
    logs: tuple[tuple[LogLevel, str], ...] = ()
    metrics: tuple[tuple[str, int], ...] = ()
    failure: str | None = None

    @property
    def status(self) -> int | None:
        """The status that the client saw."""
        return status_of(self.client)

    def normalised(self) -> tuple[Side, Side]:
        """Return what upstream and client saw without what a proxy adds or leaves out on the way.

        Values of one name are joined with a comma, as Envoy does for many names (not cookies). Dropped are
        headers that Envoy writes itself (`date`, `server`, `x-request-id`, `x-forwarded-*`, `x-envoy-*`),
        those of one hop, and a `content-length` of 0; headers are in the order of their names, bodies in one
        piece.
        """
        return _side(self.upstream), _side(self.client)


def differences(one: Outcome, other: Outcome) -> list[str]:
    """Say where two outcomes of one exchange differ, after normalisation; empty if they don't."""
    found = []
    for name, left, right in zip(_SIDES, one.normalised(), other.normalised(), strict=True):
        if left is None or right is None:
            if left is not right:
                found.append(f"{name}: {_brief(left)} against {_brief(right)}")
            continue
        found += [
            f"{name}: {part} {change}"
            for part, before, after in (("header", left[0], right[0]), ("trailer", left[2], right[2]))
            for change in header_changes(before, after, values=True)
        ]
        if left[1] != right[1]:
            found.append(
                f"{name}: body of {len(left[1])} bytes against {len(right[1])}, "
                f"from byte {_split(left[1], right[1])}"
            )
    return found


def header_changes(before: Headers, after: Headers, *, values: bool = False) -> list[str]:
    """List what differs: `+name` for a new header, `-name` for a missing one, `~name` for other values."""
    old, new = _by_name(before), _by_name(after)
    names = dict.fromkeys((*old, *new))
    found = []
    for name in names:
        left, right = old.get(name), new.get(name)
        if left == right:
            continue
        sign = "+" if left is None else "-" if right is None else "~"
        shown = f" {_shown(left)} -> {_shown(right)}" if values else ""
        found.append(f"{sign}{name.decode('utf-8', 'backslashreplace')}{shown}")
    return found


def sendable(exchange: Exchange, chunk_size: int | None = None) -> Exchange:
    """Make an exchange that any proxy would take of a recorded one.

    A `content-length` that doesn't fit what was recorded of the body is put right (and dropped where trailers
    follow), answers that must not have a body lose it, and with `chunk_size` bodies are cut anew.
    """
    response = exchange.response
    if response is not None:
        bodiless = exchange.method == "HEAD" or exchange.status in _NO_BODY
        response = _fitted(
            replace(response, body=(), trailers=(), times=()) if bodiless else response, bodiless=bodiless
        )
        response = _cut(response, chunk_size)
    return replace(exchange, request=_cut(_fitted(exchange.request), chunk_size), response=response)


def replay(
    plugin: Plugin, exchanges: Iterable[Exchange], *, chunk_size: int | None = None
) -> Iterator[Outcome]:
    """Send exchanges through a plugin, one stream each, and yield what became of them.

    `chunk_size` cuts all bodies into pieces of so many bytes; without it they come as recorded. A stream that
    is paused gets `PATIENCE` seconds of virtual time. Where the VM's failure policy is RAISE, a trap is
    raised, else it is in the outcome.
    """
    for recorded in exchanges:
        yield _outcome(plugin, sendable(recorded, chunk_size))


def _outcome(plugin: Plugin, exchange: Exchange) -> Outcome:
    host = plugin.vm.host
    before = host.metrics.values_only()
    with logged(host) as lines, plugin.http_stream() as stream:
        _converse(stream, exchange)
    return Outcome(
        exchange=exchange,
        upstream=_message(stream.upstream),
        client=_message(stream.downstream) if stream.reset is None else None,
        actions=tuple(stream.actions),
        local_response=stream.local_response,
        logs=tuple(lines),
        metrics=_moved(before, host.metrics.values_only()),
        failure=_failure(stream),
    )


@contextmanager
def logged(host: Host) -> Iterator[list[tuple[LogLevel, str]]]:
    """Collect the lines that are logged meanwhile, in a list that is filled in the end; the host keeps them all."""
    kept, host.logs = host.logs, deque(maxlen=host.logs.maxlen)
    lines: list[tuple[LogLevel, str]] = []
    try:
        yield lines
    finally:
        lines += [(line.level, line.message) for line in host.logs]
        kept.extend(host.logs)
        host.logs = kept


def _converse(stream: HttpStream, exchange: Exchange) -> None:
    request, response = exchange.request, exchange.response
    stream.request(request.headers, request.body, request.trailers or None)
    if stream.request_paused:
        _wait(stream)
    if response is None or stream.upstream.headers is None or stream.local_response or stream.reset:
        return
    stream.response(response.headers, response.body, response.trailers or None)
    if stream.response_paused:
        _wait(stream)


def _wait(stream: HttpStream) -> None:
    """Give call-outs the time to be answered or to time out."""
    clock = stream.host.clock
    advance = getattr(clock, "advance", None)
    if advance is not None:
        advance(PATIENCE)
    stream.host.settle()


def _failure(stream: HttpStream) -> str | None:
    if stream.failure is not None:
        return str(stream.failure)
    if stream.reset is not None:
        return f"reset: {stream.reset}"
    if stream.local_response is None:
        for name, paused in (("request", stream.request_paused), ("response", stream.response_paused)):
            if paused:
                return f"the filter holds the {name} back for ever"
    return None


def _message(view: StreamView) -> Message | None:
    if view.headers is None:
        return None
    trailers = () if view.trailers is None else tuple(view.trailers.pairs())
    return Message(tuple(view.headers.pairs()), tuple(chunk for chunk in view.chunks if chunk), trailers)


def _moved(before: Mapping[str, int], after: Mapping[str, int]) -> tuple[tuple[str, int], ...]:
    return tuple(
        (name, value - before.get(name, 0)) for name, value in after.items() if value != before.get(name, 0)
    )


def _fitted(message: Message, *, bodiless: bool = False) -> Message:
    length = message.get(b"content-length")
    if length is None or bodiless:
        return message
    actual = b"%d" % len(message.content)
    if length == actual and not message.trailers:
        return message
    headers = [
        (name, actual if name == b"content-length" else value)
        for name, value in message.headers
        if name != b"content-length" or not message.trailers
    ]
    return replace(message, headers=tuple(headers))


def _cut(message: Message, size: int | None) -> Message:
    body = tuple(chunk for chunk in message.body if chunk)
    if size is not None:
        whole = b"".join(body)
        body = tuple(whole[at : at + size] for at in range(0, len(whole), size))
    return message if body == message.body else replace(message, body=body, times=())


def _side(message: Message | None) -> Side:
    if message is None:
        return None
    return _sorted(message.headers), message.content, _sorted(message.trailers)


def _sorted(headers: Headers) -> Headers:
    found: Headers = ()
    for name, values in sorted(_by_name(headers).items()):
        joined = values if name in _COOKIES else [b",".join(values)]
        if name not in _PROXYS_OWN and not name.startswith(b"x-envoy-") and (name, joined) != _EMPTY:
            found += tuple((name, value) for value in joined)
    return found


def _by_name(headers: Headers) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        found.setdefault(name, []).append(value)
    return found


def _shown(values: list[bytes] | None) -> str:
    return "none" if values is None else ", ".join(repr(value)[1:] for value in values)


def _brief(side: Side) -> str:
    return "nothing" if side is None else f"a message with {len(side[0])} headers and {len(side[1])} bytes"


def _split(left: bytes, right: bytes) -> int:
    return next(
        (at for at, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
        min(len(left), len(right)),
    )
