"""The captures that this project made and keeps."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import pytest

from proxy_wasm_host.capture import Exchange, Message, load_capture

FOLDER = Path(__file__).parents[1] / "data" / "captured"
FILES = sorted(FOLDER.glob("*.capture.gz"))
LEAKS = re.compile(rb"/root|/home/|/tmp/|Basic (?!realm)|Bearer |not-a-secret")


def texts(exchange: Exchange) -> bytes:
    messages = [message for message in (exchange.request, exchange.response) if message]
    return b"\n".join(
        part for message in messages for part in (content(message), *(value for _, value in message.headers))
    )


def content(message: Message) -> bytes:
    zipped = message.get(b"content-encoding") in (b"gzip", b"deflate")
    return zlib.decompress(message.content, wbits=47) if zipped else message.content  # 47: either header


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_capture_is_described_small_and_tells_nothing_of_the_machine(file: Path) -> None:
    assert f"`{file.name}`" in (FOLDER / "README.md").read_text()
    assert file.stat().st_size < 300_000
    exchanges = load_capture(file)
    assert exchanges
    for exchange in exchanges:
        assert exchange.method
        assert exchange.started
        assert "tap" not in exchange.source
        assert not LEAKS.search(texts(exchange))


def test_grpc_was_recorded_with_its_trailers_and_chunks() -> None:
    calls = load_capture(FOLDER / "etcd.capture.gz")
    assert any(call.response and call.response.get(b"grpc-status") for call in calls)  # headers alone
    assert any(call.response and (b"grpc-status", b"0") in call.response.trailers for call in calls)
    assert max(len(call.request.body) for call in calls) > 1
