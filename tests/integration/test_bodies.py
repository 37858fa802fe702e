"""Bodies of any size, in any direction, over both HTTP versions, arrive whole and in order."""

from __future__ import annotations

import hashlib
import random
from typing import TYPE_CHECKING

import httpx
import pytest

from leaksignal_wasm.envoy.testing import Answer, HttpUpstream, Received, request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaksignal_wasm.envoy import EnvoyProcess

SIZES = [0, 1, 1000, 65_536, 1_000_000, 20_000_000]
LETTERS = random.Random(1).randbytes(1_000_000).translate(bytes(97 + byte % 26 for byte in range(256)))


def letters(size: int) -> bytes:
    return (LETTERS * (size // len(LETTERS) + 1))[:size]


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def body_bytes(envoy: EnvoyProcess) -> tuple[int, int]:
    """What the filter has counted so far: bytes of request and response bodies."""
    stats = envoy.stats(r"probe\..*_body_bytes")
    return (
        stats.get("wasmcustom.probe.request_body_bytes", 0),
        stats.get("wasmcustom.probe.response_body_bytes", 0),
    )


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_bodies_pass_a_filter_that_reads_them(
    envoy: EnvoyProcess, upstream: HttpUpstream, size: int, http2: bool
) -> None:
    body = letters(size)
    before = body_bytes(envoy)
    with httpx.Client(http1=not http2, http2=http2, timeout=60) as client:
        reply = client.post(envoy.url("/echo", "closed"), content=body)
    assert reply.http_version == ("HTTP/2" if http2 else "HTTP/1.1")
    assert (reply.status_code, len(reply.content), digest(reply.content)) == (200, size, digest(body))
    assert reply.headers["x-python"] == "yes"
    assert digest(upstream.requests[-1].body) == digest(body)
    assert [after - since for after, since in zip(body_bytes(envoy), before, strict=True)] == [size, size]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
def test_bodies_are_rewritten_in_both_directions(
    envoy: EnvoyProcess, upstream: HttpUpstream, size: int, http2: bool
) -> None:
    body = letters(size)
    with httpx.Client(http1=not http2, http2=http2, timeout=60) as client:
        reply = client.post(envoy.url("/", "closed"), content=body, headers={"x-probe": "swapcase"})
    assert digest(upstream.requests[-1].body) == digest(body.upper())
    assert (reply.status_code, digest(reply.content)) == (200, digest(body))


def test_a_body_in_many_small_chunks_is_rewritten(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    body = letters(50_000)
    upstream.respond = lambda received: Answer(
        chunks=list(chunks(received.body, 7)), trailers=[("x-end", "1")]
    )
    reply = request(envoy, "POST", listener="closed", body=chunks(body, 11), headers={"x-probe": "swapcase"})
    assert upstream.requests[-1].body == body.upper()
    assert reply.body == body


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body_pass(envoy: EnvoyProcess, upstream: HttpUpstream, status: int) -> None:
    def respond(_: Received) -> Answer:
        return Answer(status, headers=[("etag", '"1"')])

    upstream.respond = respond
    reply = request(envoy, listener="closed")
    assert (reply.status, reply.body, reply.headers["etag"]) == (status, b"", '"1"')
    assert reply.headers["x-python"] == "yes"


def test_head_passes(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    upstream.respond = lambda _: Answer(body=b"x" * 1000)
    reply = request(envoy, "HEAD", listener="closed")
    assert (reply.status, reply.body, reply.headers["content-length"]) == (200, b"", "1000")
