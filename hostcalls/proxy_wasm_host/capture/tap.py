"""What Envoy's tap filter writes: JSON, text or binary protobuf, one message or many, delimited or not.

The few fields that matter here are laid out by hand below (numbers from Envoy's `envoy/data/tap/v3/*.proto`
and `envoy/config/core/v3/base.proto`); protobuf's own runtime does the reading. Two liberties, both
compatible on the wire: the alternatives of `TraceWrapper` are `repeated`, so that messages written one after
the other without a length (`PROTO_BINARY`) read as one, and header texts are `bytes` in the binary form,
since real header values need not be UTF-8.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory, text_format
from google.protobuf.message import DecodeError

from proxy_wasm_host.capture.errors import CaptureError, NoRequestError
from proxy_wasm_host.capture.exchange import Exchange, Headers, Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Traces = Any
"""A decoded `TraceWrapper`: the class is made at run time, from the table below."""

LARGEST_MESSAGE: Final = 256 << 20
"""Bytes of one delimited message; Envoy buffers far less."""

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES: Final = {"bytes": _Field.TYPE_BYTES, "string": _Field.TYPE_STRING, "bool": _Field.TYPE_BOOL}
_LAYOUT: Final[dict[str, list[tuple[int, str, str]]]] = {
    "Traces": [
        (1, "http_buffered_trace", "*Buffered"),
        (2, "http_streamed_trace_segment", "*Segment"),
        (3, "socket_buffered_trace", "*Ignored"),
        (4, "socket_streamed_trace_segment", "*Ignored"),
    ],
    "Ignored": [],
    "Buffered": [(1, "request", "Part"), (2, "response", "Part")],
    "Part": [
        (1, "headers", "*Header"),
        (2, "body", "Body"),
        (3, "trailers", "*Header"),
        (4, "headers_received_time", "Time"),
    ],
    "Segment": [
        (1, "trace_id", "uint64"),
        (2, "request_headers", "Map"),
        (3, "request_body_chunk", "Body"),
        (4, "request_trailers", "Map"),
        (5, "response_headers", "Map"),
        (6, "response_body_chunk", "Body"),
        (7, "response_trailers", "Map"),
    ],
    "Map": [(1, "headers", "*Header")],
    "Header": [(1, "key", "text"), (2, "value", "text"), (3, "raw_value", "bytes")],
    "Body": [(1, "as_bytes", "bytes"), (2, "as_string", "text"), (3, "truncated", "bool")],
    "Time": [(1, "seconds", "int64"), (2, "nanos", "int32")],
}
_WRAPPER_KEYS: Final = frozenset(
    key
    for _, name, _ in _LAYOUT["Traces"]
    for key in (name, "".join(part.title() if at else part for at, part in enumerate(name.split("_"))))
)


@cache
def _traces_class(text: str) -> type[Traces]:
    """Make the message class, with header texts as `string` (JSON, text format) or `bytes` (binary)."""
    types = _TYPES | {
        "text": _TYPES[text],
        "uint64": _Field.TYPE_UINT64,
        "int64": _Field.TYPE_INT64,
        "int32": _Field.TYPE_INT32,
    }
    file = descriptor_pb2.FileDescriptorProto(
        name=f"tap_{text}.proto", package=f"tap_{text}", syntax="proto3"
    )
    for message, fields in _LAYOUT.items():
        shape = file.message_type.add(name=message)
        for number, name, kind in fields:
            repeated = kind.startswith("*")
            field = shape.field.add(name=name, number=number)
            field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            if (scalar := types.get(kind)) is not None:
                field.type = scalar
            else:
                field.type = _Field.TYPE_MESSAGE
                field.type_name = f".tap_{text}.{kind.lstrip('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"tap_{text}.Traces"))


def looks_like_tap(document: object) -> bool:
    """Tell whether a JSON document is a tap trace."""
    return isinstance(document, dict) and not _WRAPPER_KEYS.isdisjoint(document)


def read_json(documents: Iterable[dict[str, Any]], name: str) -> Iterator[Exchange]:
    """Yield the exchanges of tap JSON documents (field names in snake or camel case)."""
    traces = _traces_class("string")()
    for number, document in enumerate(documents, 1):
        where = f"{name}: trace {number}"
        if not looks_like_tap(document):
            raise CaptureError(
                "not a tap trace", where=where, remedy="each JSON object must be a TraceWrapper"
            )
        # The alternatives are repeated here, so each stands in a list.
        listed = {key: [value] if key in _WRAPPER_KEYS else value for key, value in document.items()}
        try:
            traces.MergeFrom(json_format.ParseDict(listed, type(traces)(), ignore_unknown_fields=True))
        except (json_format.ParseError, ValueError) as error:
            # Up to the first colon it names the field; behind it stands the value.
            raise CaptureError(f"not a tap trace: {str(error).partition(':')[0]}", where=where) from None
    return _exchanges(traces, name)


def read_text(text: str, name: str) -> Iterator[Exchange]:
    """Yield the exchanges of tap output in protobuf's text format (`PROTO_TEXT`)."""
    traces = _traces_class("string")()
    try:
        text_format.Parse(text, traces, allow_unknown_field=True)
    except text_format.ParseError as error:
        # The error's own words quote the file, which may hold anything.
        place = f"line {error.GetLine()}, column {error.GetColumn()}"
        raise not_a_capture(name, f"not protobuf text either ({place})") from None
    return _exchanges(traces, name)


def read_binary(data: bytes, name: str) -> Iterator[Exchange]:
    """Yield the exchanges of binary tap output: one message or several, with or without lengths."""
    traces = _traces_class("bytes")()
    if _delimited(data, name, traces):
        return _exchanges(traces, name)
    traces.Clear()
    try:
        traces.ParseFromString(data)
    except DecodeError:
        raise not_a_capture(name) from None
    return _exchanges(traces, name)


def not_a_capture(name: str, detail: str = "") -> CaptureError:
    """Make the error for a file that no reader knows."""
    return CaptureError(
        "not a capture" + (f": {detail}" if detail else ""),
        where=name,
        remedy="HAR 1.2, Envoy tap output (JSON, text, binary) and `leaksignal-wasm capture` files are read",
    )


def _delimited(data: bytes, name: str, traces: Traces) -> bool:
    """Merge length-delimited messages into `traces`; False if the bytes are not of that form."""
    at = count = 0
    while at < len(data):
        start, (length, at) = at, _varint(data, at)
        if length is None or length == 0 or length > LARGEST_MESSAGE:
            return False
        if at + length > len(data):
            if not count:
                return False
            raise CaptureError(
                f"ends in the middle of message {count + 1}: {len(data) - at} of {length} bytes are there",
                where=f"{name}: byte {start}",
                remedy="Envoy was still writing, or the copy was cut off: copy it after Envoy has stopped",
            )
        one = type(traces)()
        try:
            one.ParseFromString(data[at : at + length])
        except DecodeError:
            if not count:
                return False
            raise CaptureError(
                f"message {count + 1} can't be decoded", where=f"{name}: byte {start}"
            ) from None
        if not _known(one):
            return False
        traces.MergeFrom(one)
        at += length
        count += 1
    return count > 0


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    value = 0
    for shift in range(0, 35, 7):
        if at >= len(data):
            return None, at
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value, at
    return None, at


def _known(traces: Traces) -> bool:
    return bool(traces.http_buffered_trace or traces.http_streamed_trace_segment or _sockets(traces))


def _sockets(traces: Traces) -> bool:
    return bool(traces.socket_buffered_trace or traces.socket_streamed_trace_segment)


def _exchanges(traces: Traces, name: str) -> Iterator[Exchange]:
    """Check that there is something of HTTP in it before the first exchange is asked for."""
    found = [
        exchange
        for number, trace in enumerate(traces.http_buffered_trace, 1)
        if (exchange := _buffered(trace, f"trace {number}"))
    ]
    found += _streamed(traces.http_streamed_trace_segment)
    if not found:
        if _sockets(traces):
            raise CaptureError(
                "tap output of a transport socket, not of HTTP", where=name, remedy="use the HTTP tap filter"
            )
        if traces.http_buffered_trace or traces.http_streamed_trace_segment:
            raise NoRequestError("no trace in it has request headers", where=name)
        raise not_a_capture(name)
    return iter(found)


def _buffered(trace: Traces, source: str) -> Exchange | None:
    if not trace.request.headers:
        return None
    begun = _moment(trace.request)
    answered = _moment(trace.response)
    offset = max(answered - begun, 0) if begun is not None and answered is not None else None
    response = _part(trace.response, offset) if trace.response.headers else None
    return Exchange(_part(trace.request, None if begun is None else 0), response, begun, source=source)


def _moment(part: Traces) -> int | None:
    if not part.HasField("headers_received_time"):
        return None
    return int(part.headers_received_time.seconds) * 10**9 + int(part.headers_received_time.nanos)


def _part(part: Traces, offset: int | None) -> Message:
    body = _body(part.body)
    chunks = (body,) if body else ()
    trailers = _headers(part.trailers)
    times = () if offset is None else (offset,) * (1 + len(chunks) + bool(trailers))
    return Message(_headers(part.headers), chunks, trailers, times, truncated=bool(part.body.truncated))


def _streamed(segments: Iterable[Traces]) -> list[Exchange]:
    by_id: dict[int, list[Traces]] = {}
    for segment in segments:
        by_id.setdefault(int(segment.trace_id), []).append(segment)
    found = (
        (trace, _assembled(pieces, "request"), _assembled(pieces, "response"))
        for trace, pieces in by_id.items()
    )
    return [
        Exchange(request, response, source=f"trace id {trace}")
        for trace, request, response in found
        if request is not None
    ]


def _assembled(pieces: list[Traces], side: str) -> Message | None:
    headers: Headers | None = None
    trailers: Headers = ()
    chunks: list[bytes] = []
    truncated = False
    for piece in pieces:
        if piece.HasField(f"{side}_headers"):
            headers = _headers(getattr(piece, f"{side}_headers").headers)
        elif piece.HasField(f"{side}_body_chunk"):
            chunk = getattr(piece, f"{side}_body_chunk")
            truncated = truncated or bool(chunk.truncated)
            if body := _body(chunk):
                chunks.append(body)
        elif piece.HasField(f"{side}_trailers"):
            trailers = _headers(getattr(piece, f"{side}_trailers").headers)
    return None if headers is None else Message(headers, tuple(chunks), trailers, truncated=truncated)


def _headers(headers: Iterable[Traces]) -> Headers:
    return tuple(
        (_raw(header.key).lower(), bytes(header.raw_value) or _raw(header.value)) for header in headers
    )


def _body(body: Traces) -> bytes:
    return bytes(body.as_bytes) or _raw(body.as_string)


def _raw(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
