"""Just enough HTTP/1.1 to send exactly what was recorded and to see exactly what arrives.

Ordinary clients and servers tidy up: they add headers, merge chunks, drop trailers. A replay must do none of
that, so messages are written and read here byte by byte (RFC 9112). Malformed input is a `ProtocolError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_wasm_host.capture import Headers, Message

if TYPE_CHECKING:
    import asyncio

LARGEST_HEAD: Final = 1 << 20
"""Bytes of a start line with its headers; also the limit that stream readers need to be opened with."""

_NO_BODY: Final = frozenset((*range(100, 200), 204, 304))
_SWITCHING: Final = 101


class ProtocolError(Exception):
    """What the other side sent is no HTTP/1.1."""


async def read_request(reader: asyncio.StreamReader) -> Message | None:
    """Read a request; None if the connection ended before one began."""
    head = await _head(reader)
    if head is None:
        return None
    (method, target, _), fields = head
    host = next((value for name, value in fields if name == b"host"), b"")
    pseudo = ((b":authority", host), (b":path", target), (b":method", method))
    headers = pseudo + tuple(field for field in fields if field[0] != b"host")
    body, trailers = await _body(reader, fields, until_close=False)
    return Message(headers, body, trailers)


async def read_response(reader: asyncio.StreamReader, method: str) -> Message | None:
    """Read the response to a request of that method, past interim ones; None if there was none."""
    while (head := await _head(reader)) is not None:
        (_, code, *_), fields = head
        if not code.isdigit():
            raise ProtocolError(f"no status: {code!r}")
        status = int(code)
        if status < 200 and status != _SWITCHING:  # noqa: PLR2004 - interim responses
            continue
        headers = ((b":status", code), *fields)
        if method == "HEAD" or status in _NO_BODY:
            return Message(headers)
        body, trailers = await _body(reader, fields, until_close=True)
        return Message(headers, body, trailers)
    return None


def write_request(message: Message) -> list[bytes]:
    """Lay out a request in the pieces to be sent: the head, then each chunk."""
    named = {name: value for name, value in message.headers if name.startswith(b":")}
    start = b"%b %b HTTP/1.1\r\n" % (named.get(b":method", b"GET"), named.get(b":path", b"/"))
    host = ((b"host", named.get(b":authority", b"")),)
    return _pieces(
        start, host + _fields(message.headers), message, framed=not message.body and not message.trailers
    )


def write_response(message: Message, method: str) -> list[bytes]:
    """Lay out a response to a request of that method in the pieces to be sent."""
    code = message.get(b":status") or b"200"
    bodiless = method == "HEAD" or int(code) in _NO_BODY
    start = b"HTTP/1.1 %b \r\n" % code
    return _pieces(start, _fields(message.headers), message, framed=bodiless)


def _pieces(start: bytes, fields: Headers, message: Message, *, framed: bool) -> list[bytes]:
    chunked = not framed and not any(name == b"content-length" for name, _ in fields)
    if chunked:
        fields = (*fields, (b"transfer-encoding", b"chunked"))
    pieces = [start + _lines(fields)]
    if framed:
        return pieces
    if not chunked:
        return [*pieces, *message.body]
    pieces += [b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in message.body if chunk]
    return [*pieces, b"0\r\n" + _lines(message.trailers)]


def _fields(headers: Headers) -> Headers:
    return tuple(
        (name, value) for name, value in headers if not name.startswith(b":") and name != b"transfer-encoding"
    )


def _lines(fields: Headers) -> bytes:
    return b"".join(b"%b: %b\r\n" % field for field in fields) + b"\r\n"


async def _head(reader: asyncio.StreamReader) -> tuple[list[bytes], Headers] | None:
    start = await _line(reader, may_end=True)
    if not start:
        return None
    parts = start.split(b" ", 2)
    if len(parts) < 2:  # noqa: PLR2004 - two words at least
        raise ProtocolError(f"no HTTP: {start[:80]!r}")
    return [*parts, b""][:3], await _read_fields(reader)


async def _read_fields(reader: asyncio.StreamReader) -> Headers:
    fields = []
    while line := await _line(reader):
        name, colon, value = line.partition(b":")
        if not colon:
            raise ProtocolError(f"no header: {line[:80]!r}")
        fields.append((name.strip().lower(), value.strip(b" \t")))
    return tuple(fields)


async def _line(reader: asyncio.StreamReader, *, may_end: bool = False) -> bytes:
    try:
        line = await reader.readline()
    except ValueError:
        raise ProtocolError(f"a line longer than {LARGEST_HEAD} bytes") from None
    if not line.endswith(b"\n") and (line or not may_end):
        raise ProtocolError("the connection ended in the middle of a message")
    return line.rstrip(b"\r\n")


async def _body(
    reader: asyncio.StreamReader, fields: Headers, *, until_close: bool
) -> tuple[tuple[bytes, ...], Headers]:
    named = dict(fields)
    if named.get(b"transfer-encoding", b"").lower() == b"chunked":
        return await _chunks(reader)
    if b"content-length" in named:
        length = _number(named[b"content-length"], 10)
        return ((await reader.readexactly(length),) if length else ()), ()
    if not until_close:
        return (), ()
    body = await reader.read(-1)
    return ((body,) if body else ()), ()


async def _chunks(reader: asyncio.StreamReader) -> tuple[tuple[bytes, ...], Headers]:
    chunks = []
    while size := _number((await _line(reader)).partition(b";")[0], 16):
        chunks.append(await reader.readexactly(size))
        await _line(reader)
    return tuple(chunks), await _read_fields(reader)


def _number(text: bytes, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise ProtocolError(f"no size: {text[:80]!r}") from None
