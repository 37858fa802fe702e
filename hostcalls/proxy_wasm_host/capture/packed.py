"""The project's own capture: msgpack, written and read one exchange at a time.

Layout (also in `docs/captures.md`): eight bytes of magic, then msgpack objects: a header map `{"version":
1}`, one array for each exchange, and an integer at the end that counts them, so that a file that was cut off
is known as such. An exchange is `[request, response or nil, started or nil, protocol, source]`; a message is
`[headers, chunks, trailers, times, truncated]`, with headers and trailers as flat arrays of name, value,
name, value (all `bin`).
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any, Final, Self

import msgpack

from proxy_wasm_host.capture.errors import CaptureError
from proxy_wasm_host.capture.exchange import Exchange, Headers, Message

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

MAGIC: Final = b"\x89LSC\r\n\x1a\n"
"""As in PNG: a byte that is no ASCII, a name, and line ends that a transfer in text mode would break."""
VERSION: Final = 1
LARGEST_EXCHANGE: Final = 1 << 30
"""Bytes of one exchange in the file; what is larger is taken for damage."""


class PackedWriter:
    """Writes exchanges to a binary file as they come; `close`, or leaving `with`, completes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._packer = msgpack.Packer(use_bin_type=True, autoreset=True)
        self._count = 0
        self._open = True
        file.write(MAGIC + self._pack({"version": VERSION}))

    def write(self, exchange: Exchange) -> None:
        """Append one exchange."""
        response = None if exchange.response is None else _packed(exchange.response)
        record = [_packed(exchange.request), response, exchange.started, exchange.protocol, exchange.source]
        self._file.write(self._pack(record))
        self._count += 1

    def close(self) -> None:
        """Write the closing count; the file itself stays open. May be called again."""
        if self._open:
            self._open = False
            self._file.write(self._pack(self._count))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()

    def _pack(self, value: object) -> bytes:
        packed: bytes = self._packer.pack(value)
        return packed


def read_packed(file: IO[bytes], name: str, *, partial: bool = False) -> Iterator[Exchange]:
    """Yield the exchanges of a packed capture whose magic has been read already.

    With `partial`, a file that was cut off ends quietly after its last whole exchange.
    """
    unpacker = msgpack.Unpacker(file, raw=False, strict_map_key=True, max_buffer_size=LARGEST_EXCHANGE)
    reader = _Reader(unpacker, name)
    _check_version(reader.next("the header"), name)
    count = 0
    while True:
        try:
            record = reader.next(f"exchange {count + 1}")
        except CaptureError:
            if partial:
                return
            raise
        if isinstance(record, int) and not isinstance(record, bool):
            if record != count:
                raise CaptureError(f"{record} exchanges announced, {count} read", where=reader.where())
            return
        count += 1
        yield _exchange(record, f"{name}: exchange {count}", fallback=f"exchange {count}")


class _Reader:
    def __init__(self, unpacker: msgpack.Unpacker, name: str) -> None:
        self._unpacker = unpacker
        self._name = name

    def where(self) -> str:
        return f"{self._name}: byte {len(MAGIC) + self._unpacker.tell()}"

    def next(self, what: str) -> Any:
        try:
            return self._unpacker.unpack()
        except (msgpack.OutOfData, EOFError):
            raise CaptureError(
                f"ends before {what} is complete: the recording was cut off",
                where=self.where(),
                remedy="record it again, or take what is whole in it (replay --partial)",
            ) from None
        except msgpack.BufferFull:
            raise CaptureError(
                f"{what} has more than {LARGEST_EXCHANGE >> 20} MiB: damaged, or not meant for replay",
                where=self.where(),
            ) from None
        except (ValueError, msgpack.UnpackException, TypeError) as error:
            raise CaptureError(f"{what} is damaged: {error}", where=self.where()) from None


def _check_version(header: object, name: str) -> None:
    version = header.get("version") if isinstance(header, dict) else None
    if version != VERSION:
        raise CaptureError(
            f"capture format version {version!r} is not {VERSION}",
            where=f"{name}: byte {len(MAGIC)}",
            remedy="read it with the release of leaksignal-wasm that wrote it, or record it again",
        )


def _packed(message: Message) -> list[object]:
    return [
        [part for header in message.headers for part in header],
        list(message.body),
        [part for header in message.trailers for part in header],
        list(message.times),
        message.truncated,
    ]


def _exchange(record: object, where: str, fallback: str) -> Exchange:
    match record:
        case [request, response, int() | None as started, str() as protocol, str() as source]:
            return Exchange(
                _message(request, f"{where}: request"),
                None if response is None else _message(response, f"{where}: response"),
                started,
                protocol,
                source or fallback,
            )
    raise CaptureError("damaged: not [request, response, started, protocol, source]", where=where)


def _message(record: object, where: str) -> Message:
    match record:
        case [
            list() as headers,
            list() as body,
            list() as trailers,
            list() as times,
            bool() as truncated,
        ] if all(isinstance(chunk, bytes) for chunk in body) and all(type(time) is int for time in times):
            return Message(
                _headers(headers, where),
                tuple(body),
                _headers(trailers, where),
                tuple(times),
                truncated=truncated,
            )
    raise CaptureError("damaged: not [headers, chunks, trailers, times, truncated]", where=where)


def _headers(flat: list[object], where: str) -> Headers:
    parts = [part for part in flat if isinstance(part, bytes)]
    if len(parts) != len(flat) or len(parts) % 2:
        raise CaptureError("damaged: headers are not name, value, name, value", where=where)
    return tuple(zip(parts[::2], parts[1::2], strict=True))
