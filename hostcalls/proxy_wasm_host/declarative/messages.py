"""Requests, responses and bodies as test files write them."""

from __future__ import annotations

import base64
import binascii
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from proxy_wasm_host.capture import CaptureError, Exchange, Headers, Message, load_capture

if TYPE_CHECKING:
    from proxy_wasm_host.declarative.document import Node

BODY_FORMS: Final = ("text", "base64", "hex", "json", "file")
REQUEST_KEYS: Final = (
    "method",
    "path",
    "authority",
    "scheme",
    "headers",
    "body",
    "chunks",
    "trailers",
    "raw",
)
RESPONSE_KEYS: Final = ("status", "headers", "body", "chunks", "trailers", "raw")


def request(node: Node | None) -> Message:
    """Read a `request`; without one, `GET / ` of `test.example`."""
    fields = {} if node is None else node.fields(REQUEST_KEYS)
    if "raw" in fields:
        return _raw_request(fields["raw"], fields)
    pseudo = tuple(
        (f":{name}".encode(), fields[name].text().encode() if name in fields else default)
        for name, default in (
            ("authority", b"test.example"),
            ("path", b"/"),
            ("method", b"GET"),
            ("scheme", b"http"),
        )
    )
    return _message(pseudo, fields)


def response(node: Node | None) -> Message:
    """Read a `response`; without one, an empty 200."""
    fields = {} if node is None else node.fields(RESPONSE_KEYS)
    if "raw" in fields:
        return _raw_response(fields["raw"], fields)
    status = fields["status"].integer(100) if "status" in fields else 200
    return _message(((b":status", b"%d" % status),), fields)


def _message(pseudo: Headers, fields: dict[str, Node], body: bytes = b"") -> Message:
    headers = pseudo + (pairs(fields["headers"]) if "headers" in fields else ())
    trailers = pairs(fields["trailers"]) if "trailers" in fields else ()
    chunks = body_chunks(fields["body"]) if "body" in fields else (body,) if body else ()
    if "chunks" in fields:
        chunks = _cut(b"".join(chunks), fields["chunks"])
    return Message(headers, tuple(chunk for chunk in chunks if chunk), trailers)


def pairs(node: Node) -> Headers:
    """Read headers: a mapping (a list of values for a repeated name), or a list of `[name, value]` in order."""
    if node.is_mapping:
        return tuple(
            (name.lower().encode(), value.text().encode())
            for name, values in node.mapping().items()
            for value in values.one_or_more()
        )
    found = []
    for item in node.items():
        parts = item.items()
        if len(parts) != 2:  # noqa: PLR2004 -- name and value
            raise item.error("[name, value] is expected")
        found.append((parts[0].text().lower().encode(), parts[1].text().encode()))
    return tuple(found)


def body_chunks(node: Node) -> tuple[bytes, ...]:
    """Read a body: one piece, or a list of pieces that come as chunks."""
    return tuple(content(piece) for piece in node.one_or_more())


def content(node: Node) -> bytes:
    """Read bytes: a text, or a mapping that says `text`, `base64`, `hex`, `json` or `file`, and maybe `times`."""
    if not node.is_mapping:
        return node.text().encode()
    fields = node.fields((*BODY_FORMS, "times"))
    forms = [form for form in BODY_FORMS if form in fields]
    if len(forms) != 1:
        raise node.error("one form of content is expected", f"write one of {', '.join(BODY_FORMS)}")
    times = fields["times"].integer() if "times" in fields else 1
    return decoded(forms[0], fields[forms[0]]) * times


def decoded(form: str, node: Node) -> bytes:
    """Read content of one form."""
    if form == "json":
        return json.dumps(node.plain(), ensure_ascii=False).encode()
    if form == "file":
        return _file(node)
    text = node.text()
    try:
        if form == "base64":
            return base64.b64decode("".join(text.split()), validate=True)
        return bytes.fromhex(text) if form == "hex" else text.encode()
    except (binascii.Error, ValueError) as error:
        raise node.error(f"not {form}: {error}") from None


def _file(node: Node) -> bytes:
    try:
        return beside(node).read_bytes()
    except OSError as error:
        raise node.error(f"can't read {node.text()}: {error.strerror}") from None


def beside(node: Node) -> Path:
    """Return the path that is written relative to the test file."""
    return Path(node.file).parent / node.text()


def _cut(body: bytes, plan: Node) -> tuple[bytes, ...]:
    """Cut a body into chunks: of one size, or of the sizes listed with the rest as the last."""
    if not plan.is_list:
        size = plan.integer(1)
        return tuple(body[at : at + size] for at in range(0, len(body), size))
    chunks, at = [], 0
    for item in plan.items():
        size = item.integer(1)
        chunks.append(body[at : at + size])
        at += size
    return (*chunks, body[at:])


def _raw_request(node: Node, fields: dict[str, Node]) -> Message:
    start, headers, body = _raw(node)
    words = start.split()
    if len(words) != 3 or not words[2].startswith("HTTP/"):  # noqa: PLR2004 -- method, target, version
        raise node.error(f"not a request line: {start!r}", "write METHOD /path HTTP/1.1")
    host = next((value for name, value in headers if name == b"host"), b"test.example")
    pseudo = (
        (b":authority", host),
        (b":path", words[1].encode()),
        (b":method", words[0].encode()),
        (b":scheme", b"http"),
    )
    _only_raw(node, fields)
    return _message(pseudo + tuple(header for header in headers if header[0] != b"host"), fields, body)


def _raw_response(node: Node, fields: dict[str, Node]) -> Message:
    start, headers, body = _raw(node)
    found = re.match(r"HTTP/\S+ (\d{3})\b", start)
    if not found:
        raise node.error(f"not a status line: {start!r}", "write HTTP/1.1 200 OK")
    _only_raw(node, fields)
    return _message(((b":status", found[1].encode()), *headers), fields, body)


def _only_raw(node: Node, fields: dict[str, Node]) -> None:
    beside_it = [key for key in fields if key not in {"raw", "body", "chunks", "trailers"}]
    if beside_it:
        raise node.error(f"`raw` and `{beside_it[0]}` exclude each other")


def _raw(node: Node) -> tuple[str, Headers, bytes]:
    text = node.text().replace("\r\n", "\n")
    head, _, body = text.partition("\n\n")
    start, *lines = head.strip("\n").split("\n")
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise node.error(f"not a header: {line!r}", "write name: value")
        headers.append((name.strip().lower().encode(), value.strip().encode()))
    return start, tuple(headers), body.encode()


def captured(node: Node) -> tuple[Exchange, ...]:
    """Read a `capture`: a file, or a mapping with `file` and what to take of it."""
    fields = node.fields(("file", "entry", "method", "path")) if node.is_mapping else {"file": node}
    if "file" not in fields:
        raise node.error("which file?", "add `file`")
    try:
        found = load_capture(beside(fields["file"]))
    except CaptureError as error:
        raise fields["file"].error(f"{error.where}: {error.what}", error.remedy) from None
    if "entry" in fields:
        number = fields["entry"].integer()
        if number >= len(found):
            raise fields["entry"].error(f"the capture has {len(found)} exchanges, counted from 0")
        found = [found[number]]
    if "method" in fields:
        found = [exchange for exchange in found if exchange.method == fields["method"].text()]
    if "path" in fields:
        wanted = pattern(fields["path"])
        found = [exchange for exchange in found if wanted.search(exchange.path)]
    if not found:
        raise node.error("no exchange of the capture fits")
    return tuple(found)


def pattern(node: Node) -> re.Pattern[str]:
    """Read a regular expression."""
    try:
        return re.compile(node.text())
    except re.error as error:
        raise node.error(f"not a regular expression: {error}") from None
