"""HAR 1.2, as browsers, proxies and test tools write it (http://www.softwareishard.com/blog/har-12-spec/).

What differs between writers is settled here, so that every exchange looks as Envoy would show it:

- names in lower case; `host` becomes `:authority`; pseudo headers come first, from the recording (Chrome
  notes those of HTTP/2) or made from `request.method` and `request.url`;
- connection headers of one hop (`connection`, `transfer-encoding`, ...) are dropped;
- bodies are decoded in a HAR: `content-encoding` goes away and `content-length` is set to what is there,
  unless the answer has no body by rule (HEAD, 1xx, 204, 304);
- values that a browser joined with a newline (`set-cookie`) are separate headers again;
- a status of 0 (blocked, aborted) is no response; URLs that never met the network (`data:`, `blob:`,
  extensions) are left out.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.message import Message as MimeHeader
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from proxy_wasm_host.capture.errors import CaptureError
from proxy_wasm_host.capture.exchange import Exchange, Headers, Message

_ONE_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"http2-settings", b"host")
)
_URL_SAFE: Final = "%/:?#[]@!$&'()*+,;=~-._"
_PROTOCOLS: Final = {
    "h2": "HTTP/2",
    "http/2.0": "HTTP/2",
    "http/2": "HTTP/2",
    "h3": "HTTP/3",
    "http/3": "HTTP/3",
}
_STATUSES: Final = range(100, 1000)
"""Browsers write 0 or -1 where there was no answer."""
_NO_BODY: Final = frozenset((*range(100, 200), 204, 304))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_har(document: object, name: str) -> Iterator[Exchange]:
    """Yield the exchanges of a parsed HAR; `name` is the file for error messages (`CaptureError`)."""
    here = _Place(name, "")
    log = here.member(document, "log", dict)
    version = log.value.get("version", "1.2")
    if not str(version).startswith("1."):
        raise here.error(f"HAR version {version!r} is not 1.x", "log.version", "export it as HAR 1.2")
    entries = log.member(log.value, "entries", list)
    for number, entry in enumerate(entries.value):
        exchange = _entry(_Place(name, f"log.entries[{number}]", entry))
        if exchange is not None:
            yield exchange


class _Place:
    """A value and the path that leads to it, for messages."""

    def __init__(self, name: str, path: str, value: Any = None) -> None:
        self.name, self.path, self.value = name, path, value

    def error(self, what: str, path: str | None = None, remedy: str | None = None) -> CaptureError:
        place = self.path if path is None else path
        return CaptureError(what, where=f"{self.name}: {place}" if place else self.name, remedy=remedy)

    def at(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def member(self, holder: object, key: str, kind: type) -> _Place:
        """Take a member that must be there, of that JSON type."""
        if not isinstance(holder, Mapping):
            raise self.error(f"an object is expected, found {_kind(holder)}")
        if key not in holder:
            raise self.error("missing", self.at(key), "a HAR 1.2 must have it: export the file again")
        value = holder[key]
        if not isinstance(value, kind):
            raise self.error(f"{_KINDS[kind]} is expected, found {_kind(value)}", self.at(key))
        return _Place(self.name, self.at(key), value)

    def optional(self, key: str, kind: type) -> _Place | None:
        """Take a member that may be missing or null."""
        if not isinstance(self.value, Mapping) or self.value.get(key) is None:
            return None
        return self.member(self.value, key, kind)

    def text(self, key: str) -> str | None:
        found = self.optional(key, str)
        return None if found is None else str(found.value)


_KINDS: Final[dict[type, str]] = {dict: "an object", list: "an array", str: "a string"}


def _kind(value: object) -> str:
    if value is None:
        return "null"
    return _KINDS.get(type(value), "a number" if isinstance(value, int | float) else type(value).__name__)


def _entry(entry: _Place) -> Exchange | None:
    request = entry.member(entry.value, "request", dict)
    url = request.member(request.value, "url", str)
    try:
        parts = urlsplit(url.value)
    except ValueError as error:
        raise url.error(f"not a URL: {error}") from None
    if parts.scheme.lower() not in {"http", "https", "ws", "wss"}:
        return None
    method = str(request.member(request.value, "method", str).value).encode("utf-8", "surrogatepass").upper()
    sent, answered, done = _times(entry.value)
    response = _response(entry, method, answered, done)
    return Exchange(
        request=_request(request, method, parts, sent),
        response=response,
        started=_started(entry),
        protocol=_protocol(request.text("httpVersion") or ""),
        source=entry.path,
    )


def _request(request: _Place, method: bytes, parts: Any, sent: int) -> Message:
    recorded = _headers(request)
    body, truncated = _request_body(request)
    path = quote(parts.path or "/", safe=_URL_SAFE) + (
        f"?{quote(parts.query, safe=_URL_SAFE)}" if parts.query else ""
    )
    host = _first(recorded, b"host") or parts.netloc.rpartition("@")[2].encode("utf-8", "replace")
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme.lower(), parts.scheme.lower())
    pseudo = (
        (b":authority", _first(recorded, b":authority") or host),
        (b":path", _first(recorded, b":path") or path.encode()),
        (b":method", method),
        (b":scheme", _first(recorded, b":scheme") or scheme.encode()),
    )
    rest = _sized(_plain(recorded), body, truncated=truncated, has_body=True)
    chunks = (body,) if body else ()
    return Message(pseudo + rest, chunks, times=(0, *[sent] * len(chunks)), truncated=truncated)


def _response(entry: _Place, method: bytes, answered: int, done: int) -> Message | None:
    response = entry.optional("response", dict)
    if response is None:
        return None
    status = response.value.get("status")
    if isinstance(status, str) and status.isdigit():
        status = int(status)
    if not isinstance(status, int | float) or isinstance(status, bool):
        raise response.error(f"a number is expected, found {_kind(status)}", response.at("status"))
    if status not in _STATUSES:
        return None
    body, truncated = _content(response)
    has_body = method != b"HEAD" and status not in _NO_BODY
    if not has_body:
        body, truncated = b"", False
    rest = _sized(_plain(_headers(response)), body, truncated=truncated, has_body=has_body)
    chunks = (body,) if body else ()
    return Message(
        ((b":status", b"%d" % status), *rest),
        chunks,
        times=(answered, *[done] * len(chunks)),
        truncated=truncated,
    )


def _headers(message: _Place) -> Headers:
    found = message.optional("headers", list)
    if found is None:
        return ()
    headers: list[tuple[bytes, bytes]] = []
    for number, item in enumerate(found.value):
        place = _Place(message.name, f"{found.path}[{number}]", item)
        name = str(place.member(item, "name", str).value).strip().lower()
        value = item.get("value")
        if not isinstance(value, str | int | float | None):
            raise place.error(f"a string is expected, found {_kind(value)}", place.at("value"))
        text = "" if value is None else str(value)
        headers += [(_bytes(name), _bytes(part.strip())) for part in text.split("\n")]
    return tuple(headers)


def _bytes(text: str) -> bytes:
    """Turn a header's text into the bytes on the wire: Latin-1, as browsers read them, else UTF-8."""
    cleaned = text.replace("\r", "").replace("\0", "")
    try:
        return cleaned.encode("latin-1")
    except UnicodeEncodeError:
        return cleaned.encode("utf-8", "replace")


def _plain(headers: Headers) -> Headers:
    return tuple(
        (name, value) for name, value in headers if name not in _ONE_HOP and name[:1] not in {b":", b""}
    )


def _sized(headers: Headers, body: bytes, *, truncated: bool, has_body: bool) -> Headers:
    """Let the headers that describe the body say what is true of the body that is there."""
    if not has_body:
        return headers
    kept = []
    for name, value in headers:
        if name == b"content-encoding" and (not body or not _encoded(body)):
            continue
        if name == b"content-length":
            if truncated and not body:
                continue
            kept.append((name, b"%d" % len(body)))
        else:
            kept.append((name, value))
    return tuple(kept)


def _encoded(body: bytes) -> bool:
    """Tell whether a writer kept the body as on the wire: gzip and zstd are known by their first bytes."""
    return body[:2] == b"\x1f\x8b" or body[:4] == b"\x28\xb5\x2f\xfd"


def _first(headers: Headers, name: bytes) -> bytes | None:
    return next((value for key, value in headers if key == name and value), None)


def _request_body(request: _Place) -> tuple[bytes, bool]:
    post = request.optional("postData", dict)
    if post is None:
        size = request.value.get("bodySize")
        return b"", isinstance(size, int) and size > 0
    text = post.text("text")
    mime = post.text("mimeType") or ""
    if text is not None:
        return _decoded(post, text, mime), False
    params = post.optional("params", list)
    if params is None or not params.value:
        return b"", False
    if mime.partition(";")[0].strip().lower() not in {"", "application/x-www-form-urlencoded"}:
        return b"", True
    pairs = [
        (str(item.get("name") or ""), str(item.get("value") or ""))
        for item in params.value
        if isinstance(item, Mapping)
    ]
    return urlencode(pairs).encode(), False


def _content(response: _Place) -> tuple[bytes, bool]:
    content = response.optional("content", dict)
    if content is None:
        return b"", True
    text = content.text("text")
    if text is None:
        size = content.value.get("size")
        return b"", not (isinstance(size, int) and size == 0)
    return _decoded(content, text, content.text("mimeType") or ""), False


def _decoded(holder: _Place, text: str, mime: str) -> bytes:
    if (holder.text("encoding") or "").strip().lower() == "base64":
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError) as error:
            raise holder.error(f"not base64: {error}", holder.at("text")) from None
    return _transcoded(text, mime)


def _transcoded(text: str, mime: str) -> bytes:
    """Undo the transcoding to UTF-8 where the type names a charset that can carry the text."""
    header = MimeHeader()
    header["content-type"] = mime
    charset = header.get_content_charset("utf-8")
    try:
        return text.encode(charset)
    except (LookupError, UnicodeError):
        return text.encode("utf-8", "surrogatepass")


def _times(entry: Mapping[str, Any]) -> tuple[int, int, int]:
    """When the request was sent, its answer began and ended, in nanoseconds since the start."""
    timings = entry.get("timings")
    timings = timings if isinstance(timings, Mapping) else {}

    def upto(keys: Sequence[str]) -> int:
        return sum(_nanoseconds(timings.get(key)) for key in keys)

    before = upto(("blocked", "dns", "connect", "send"))
    answered = before + upto(("wait",))
    return before, answered, max(answered + upto(("receive",)), _nanoseconds(entry.get("time")))


def _nanoseconds(milliseconds: object) -> int:
    """Convert a duration; -1 is HAR's "does not apply"."""
    if not isinstance(milliseconds, int | float) or not math.isfinite(milliseconds) or milliseconds < 0:
        return 0
    return min(round(milliseconds * 1e6), 2**62)


def _started(entry: _Place) -> int | None:
    text = entry.text("startedDateTime")
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    if moment is None:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def _protocol(version: str) -> str:
    lower = version.strip().lower()
    return _PROTOCOLS.get(lower, lower.upper() if lower.startswith("http/") else "")
