from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from proxy_wasm_host.capture import CaptureError, Exchange, Message, load_capture

if TYPE_CHECKING:
    from pathlib import Path


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))


def field(number: int, value: bytes | int) -> bytes:
    """One field on the wire; written here by hand, so that reader and test share nothing."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def headers(number: int, *pairs: tuple[bytes, bytes]) -> bytes:
    return b"".join(field(number, field(1, name) + field(2, value)) for name, value in pairs)


REQUEST = ((b":authority", b"a"), (b":path", b"/p"), (b":method", b"POST"), (b"x-Raw", b"\xff\xfe"))
RESPONSE = ((b":status", b"200"), (b"x", b""))
TRAILERS = ((b"grpc-status", b"0"),)


def buffered() -> bytes:
    request = headers(1, *REQUEST) + field(2, field(1, b"\0body")) + field(4, field(1, 100) + field(2, 5))
    response = headers(1, *RESPONSE) + field(2, field(1, b"out") + field(3, 1)) + headers(3, *TRAILERS)
    return field(
        1, field(1, request) + field(2, response + field(4, field(1, 101) + field(2, 5))) + field(3, b"")
    )


def segments(trace: int) -> list[bytes]:
    pieces = [
        field(2, headers(1, *REQUEST)),
        field(3, field(1, b"one")),
        field(3, field(1, b"two")),
        field(5, headers(1, *RESPONSE)),
        field(6, field(1, b"three")),
        field(7, headers(1, *TRAILERS)),
    ]
    return [field(2, field(1, trace) + piece) for piece in pieces]


BUFFERED = Exchange(
    Message((*REQUEST[:3], (b"x-raw", b"\xff\xfe")), (b"\0body",), (), (0, 0)),
    Message(RESPONSE, (b"out",), TRAILERS, (10**9,) * 3, truncated=True),
    100 * 10**9 + 5,
)
STREAMED = Exchange(
    Message((*REQUEST[:3], (b"x-raw", b"\xff\xfe")), (b"one", b"two")),
    Message(RESPONSE, (b"three",), TRAILERS),
)


def load(tmp_path: Path, data: bytes) -> list[Exchange]:
    file = tmp_path / "tap"
    file.write_bytes(data)
    return load_capture(file)


def delimited(messages: list[bytes]) -> bytes:
    return b"".join(varint(len(message)) + message for message in messages)


def test_one_binary_message(tmp_path: Path) -> None:
    assert load(tmp_path, buffered()) == [BUFFERED]


def test_binary_messages_with_lengths(tmp_path: Path) -> None:
    assert load(tmp_path, delimited([buffered(), buffered()])) == [BUFFERED] * 2


def test_a_stream_in_segments_keeps_its_chunks_with_and_without_lengths(tmp_path: Path) -> None:
    mixed = [piece for pair in zip(segments(1), segments(2), strict=True) for piece in pair]
    assert load(tmp_path, delimited(mixed)) == [STREAMED] * 2
    assert load(tmp_path, b"".join(mixed)) == [STREAMED] * 2


def test_a_folder_of_tap_files_is_read_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 9):
        message = segments(number)
        message[1] = field(2, field(1, number) + field(3, field(1, b"%d" % number)))
        (tmp_path / f"tap_{number}.pb").write_bytes(b"".join(message))
    assert [exchange.request.body[0] for exchange in load_capture(tmp_path)] == [b"9", b"10"]


def test_a_folder_with_other_things_in_it_names_the_one_that_is_no_capture(tmp_path: Path) -> None:
    (tmp_path / "tap_1.pb").write_bytes(b"".join(segments(1)))
    (tmp_path / "notes").write_text("what to do")
    with pytest.raises(CaptureError, match="not a capture") as error:
        load_capture(tmp_path)
    assert error.value.where == str(tmp_path / "notes")


def as_json(*, camel: bool) -> dict[str, Any]:
    def pairs(found: tuple[tuple[bytes, bytes], ...]) -> list[dict[str, str]]:
        return [{"key": name.decode(), "value": value.decode("latin-1")} for name, value in found]

    names = ("httpBufferedTrace", "asBytes") if camel else ("http_buffered_trace", "as_bytes")
    body = {"truncated": False, names[1]: base64.b64encode(b"\xffbytes").decode()}
    return {
        names[0]: {
            "request": {"headers": pairs(REQUEST[:3]), "trailers": [], "body": body, "a_new_field": {}},
            "response": {
                "headers": pairs(RESPONSE),
                "body": {"as_string": "text"},
                "trailers": pairs(TRAILERS),
            },
        }
    }


@pytest.mark.parametrize("camel", [True, False])
def test_json_bodies_as_bytes_and_as_string(tmp_path: Path, *, camel: bool) -> None:
    (exchange,) = load(tmp_path, json.dumps(as_json(camel=camel), indent=1).encode())
    assert exchange.request == Message(REQUEST[:3], (b"\xffbytes",))
    assert exchange.response == Message(RESPONSE, (b"text",), TRAILERS)


def test_json_documents_in_a_row(tmp_path: Path) -> None:
    text = "\n".join(json.dumps(as_json(camel=False), indent=1) for _ in range(3))
    assert len(load(tmp_path, text.encode())) == 3


def test_json_segments(tmp_path: Path) -> None:
    pieces: list[dict[str, Any]] = [
        {"request_headers": {"headers": [{"key": ":method", "value": "GET"}]}},
        {"request_body_chunk": {"as_bytes": "YQ=="}},
        {"response_headers": {"headers": [{"key": ":status", "value": "200"}]}},
    ]
    text = "".join(
        json.dumps({"http_streamed_trace_segment": {"trace_id": "7", **piece}}) for piece in pieces
    )
    (exchange,) = load(tmp_path, text.encode())
    assert (exchange.method, exchange.request.body, exchange.status) == ("GET", (b"a",), 200)


def test_text_format(tmp_path: Path) -> None:
    request = 'headers { key: ":method" value: "GET" } body { as_bytes: "\\377" }'
    text = f"http_buffered_trace {{ request {{ {request} }} }}"
    (exchange,) = load(tmp_path, text.encode())
    assert (exchange.method, exchange.request.body, exchange.response) == ("GET", (b"\xff",), None)


def test_a_message_that_was_cut_off_names_its_byte(tmp_path: Path) -> None:
    whole = delimited([buffered(), buffered()])
    with pytest.raises(CaptureError) as caught:
        load(tmp_path, whole[:-3])
    assert caught.value.where == f"{tmp_path / 'tap'}: byte {len(whole) // 2}"
    assert "in the middle of message 2" in caught.value.what


@pytest.mark.parametrize("data", [field(3, b""), json.dumps({"socket_buffered_trace": {}}).encode()])
def test_socket_taps_are_told_apart(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CaptureError, match="of a transport socket, not of HTTP"):
        load(tmp_path, data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x7fELF\2\1\1\0" * 9,
        b"\0asm\1\0\0\0",
        b"hello, world",
        b'{"a": 1}',
        b"[1, 2]",
        b"\x12\x03abc",
        b"{}",
    ],
)
def test_what_is_no_capture_is_said_to_be_none(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(CaptureError, match="not a capture") as caught:
        load(tmp_path, data)
    assert caught.value.where == str(tmp_path / "tap")
    assert "HAR 1.2" in str(caught.value.remedy)


def test_a_tap_document_of_the_wrong_shape_names_its_number(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="trace 2"):
        load(tmp_path, json.dumps(as_json(camel=False)).encode() + b'{"http_buffered_trace": {"request": 5}}')
