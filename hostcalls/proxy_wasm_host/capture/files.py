"""Capture files: which format a file has, told by its content and never by its name."""

from __future__ import annotations

import gzip
import json
import re
import tempfile
import zlib
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

from proxy_wasm_host.capture import har, packed, tap
from proxy_wasm_host.capture.errors import CaptureError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator

    from proxy_wasm_host.capture.exchange import Exchange

LARGEST_DOCUMENT: Final = 1 << 30
"""Bytes of a HAR or tap file (unpacked), held in memory as a whole; packed captures have no limit."""

_GZIP: Final = b"\x1f\x8b"
_SPACE: Final = 0x20
_BOMS: Final = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")


def load_capture(path: str | os.PathLike[str], *, partial: bool = False) -> list[Exchange]:
    """Read all exchanges of a capture; see `iter_capture`."""
    return list(iter_capture(path, partial=partial))


def iter_capture(path: str | os.PathLike[str], *, partial: bool = False) -> Iterator[Exchange]:
    """Yield the exchanges of a HAR, of Envoy tap output or of a packed capture, in the order recorded.

    A folder is read file by file, as Envoy's tap filter fills one. Files may be gzipped. With `partial`, a
    packed capture that was cut off gives what is whole in it.

    Raises:
        CaptureError: the file can't be read, is no capture, is damaged or too large.

    """
    target = Path(path)
    if target.is_dir():
        files = sorted((file for file in target.iterdir() if file.is_file()), key=_natural)
        if not files:
            raise CaptureError(
                "an empty folder", where=str(target), remedy="name a capture, or a folder of tap files"
            )
        yield from chain.from_iterable(_iter_file(file, partial=partial) for file in files)
    else:
        yield from _iter_file(target, partial=partial)


def save_capture(path: str | os.PathLike[str], exchanges: Iterable[Exchange]) -> int:
    """Write a packed capture (gzipped if the name ends in `.gz`) and return the number of exchanges.

    The file appears under its name only when it is complete.
    """
    target = Path(path)
    count = 0
    try:
        with tempfile.NamedTemporaryFile(
            dir=target.parent, prefix=f".{target.name}.", delete=False
        ) as temporary:
            file = cast("IO[bytes]", temporary)
            try:
                if target.suffix == ".gz":
                    file = cast(
                        "IO[bytes]", gzip.GzipFile(filename="", mode="wb", fileobj=temporary, mtime=0)
                    )
                with packed.PackedWriter(file) as writer:
                    for exchange in exchanges:
                        writer.write(exchange)
                        count += 1
                file.close()
                Path(temporary.name).replace(target)
            except BaseException:
                Path(temporary.name).unlink(missing_ok=True)
                raise
    except OSError as error:
        raise CaptureError(f"can't be written: {error.strerror or error}", where=str(target)) from None
    return count


def _natural(path: Path) -> tuple[int, str]:
    """Sort `tap_9` before `tap_10`, and what has no number first."""
    numbers = re.findall("[0-9]+", path.name)
    return (int(numbers[-1]) if numbers else -1, path.name)


def _iter_file(path: Path, *, partial: bool) -> Iterator[Exchange]:
    name = str(path)
    try:
        with path.open("rb") as plain:
            file: IO[bytes] = plain
            if plain.read(len(_GZIP)) == _GZIP:
                plain.seek(0)
                file = cast("IO[bytes]", gzip.GzipFile(fileobj=plain))
            else:
                plain.seek(0)
            start = file.read(len(packed.MAGIC))
            if start == packed.MAGIC:
                yield from packed.read_packed(file, name, partial=partial)
            elif start.startswith(packed.MAGIC[:4]):
                raise CaptureError(
                    "the first bytes of a packed capture are damaged",
                    where=f"{name}: byte 0",
                    remedy="it went through a transfer in text mode: copy it as a binary file",
                )
            else:
                yield from _document(start + file.read(LARGEST_DOCUMENT), name)
    except (OSError, EOFError, zlib.error) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise CaptureError(f"can't be read: {what}", where=name) from None


def _document(data: bytes, name: str) -> Iterator[Exchange]:
    if len(data) > LARGEST_DOCUMENT:
        raise CaptureError(
            f"more than {LARGEST_DOCUMENT >> 20} MiB, which HAR and tap files must not have",
            where=name,
            remedy="split it, or record with `leaksignal-wasm capture`, whose files are read piece by piece",
        )
    if not data.strip():
        raise CaptureError(
            "an empty file", where=name, remedy="a HAR, tap output or packed capture is expected"
        )
    if data.lstrip()[:1] in {b"{", b"["} or data.startswith(_BOMS):
        return _json(data, name)
    if _is_text(data):
        return tap.read_text(data.decode(), name)
    return tap.read_binary(data, name)


def _is_text(data: bytes) -> bool:
    """Tell protobuf's text format from its binary one, which starts with a tag below a space or a length."""
    return all(byte >= _SPACE or byte in b"\t\r\n" for byte in data[:4096]) and _is_utf8(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _json(data: bytes, name: str) -> Iterator[Exchange]:
    documents = _documents(data, name)
    if len(documents) == 1 and isinstance(documents[0], dict) and "log" in documents[0]:
        return har.read_har(documents[0], name)
    if documents and all(tap.looks_like_tap(document) for document in documents):
        return tap.read_json(documents, name)
    raise tap.not_a_capture(name, "JSON with neither `log` (HAR) nor `http_buffered_trace` (tap) at the top")


def _documents(data: bytes, name: str) -> list[Any]:
    """Parse one JSON document or several in a row, as Envoy's streaming sinks write them."""
    encoding = json.detect_encoding(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise CaptureError(
            f"not {error.encoding}: {error.reason}",
            where=f"{name}: byte {error.start}",
            remedy="save it as UTF-8",
        ) from None
    decoder = json.JSONDecoder()
    text = text.removeprefix("\ufeff")
    documents: list[Any] = []
    at = _skip(text, 0)
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            raise CaptureError(
                f"not JSON: {error.msg}",
                where=f"{name}: line {error.lineno}, column {error.colno}",
                remedy="the file is cut off: export it again"
                if error.pos >= len(text.rstrip()) - 1
                else None,
            ) from None
        except RecursionError:
            raise CaptureError("JSON nested too deeply", where=name) from None
        documents += document if isinstance(document, list) and not documents else [document]
        at = _skip(text, at)
    return documents


def _skip(text: str, at: int) -> int:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    return at
