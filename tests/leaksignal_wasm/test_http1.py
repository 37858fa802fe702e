from __future__ import annotations

import asyncio

import pytest

from leaksignal_wasm import http1
from proxy_wasm_host.capture import Message


def read_response(data: bytes, method: str = "GET") -> Message | None:
    async def read() -> Message | None:
        reader = asyncio.StreamReader(limit=http1.LARGEST_HEAD)
        reader.feed_data(data)
        reader.feed_eof()
        return await http1.read_response(reader, method)

    return asyncio.run(read())


def read_request(data: bytes) -> Message | None:
    async def read() -> Message | None:
        reader = asyncio.StreamReader(limit=http1.LARGEST_HEAD)
        reader.feed_data(data)
        reader.feed_eof()
        return await http1.read_request(reader)

    return asyncio.run(read())


def test_chunks_and_trailers_are_kept() -> None:
    data = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nX-T: 1\r\n\r\n"
    )
    message = read_response(data)
    assert message is not None
    assert message.body == (b"ab", b"c")
    assert message.trailers == ((b"x-t", b"1"),)


def test_interim_responses_are_passed_over() -> None:
    message = read_response(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    assert message is not None
    assert message.headers == ((b":status", b"204"),)


def test_a_response_without_a_length_ends_with_the_connection() -> None:
    message = read_response(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    assert message is not None
    assert message.content == b"all of it"


def test_a_response_to_head_has_no_body() -> None:
    message = read_response(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", "HEAD")
    assert message is not None
    assert message.body == ()


def test_a_connection_that_ends_before_a_message_is_none() -> None:
    assert read_response(b"") is None
    assert read_request(b"") is None


@pytest.mark.parametrize(
    "message",
    [
        Message(((b":authority", b"a"), (b":path", b"/"), (b":method", b"GET"))),
        Message(
            ((b":authority", b"a"), (b":path", b"/x?y"), (b":method", b"PUT"), (b"content-length", b"3")),
            (b"abc",),
        ),
    ],
)
def test_a_request_is_read_as_it_was_written(message: Message) -> None:
    assert read_request(b"".join(http1.write_request(message))) == message


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nx: y",
        b"HTTP/1.1 200 " + b"x" * (http1.LARGEST_HEAD + 1) + b"\r\n",
    ],
)
def test_what_is_no_http_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(http1.ProtocolError):
        read_response(data)
