from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from proxy_wasm_host.capture import CaptureError, Exchange, load_capture

if TYPE_CHECKING:
    from pathlib import Path


def entry(**changes: Any) -> dict[str, Any]:
    """A small entry; `request` and `response` changes are merged into the two."""
    request = {"method": "GET", "url": "https://shop.example/a?b=1", "headers": []} | changes.pop(
        "request", {}
    )
    response = {"status": 200, "headers": [], "content": {"text": "hi"}} | changes.pop("response", {})
    return {"request": request, "response": response, **changes}


def load(tmp_path: Path, *entries: Any, raw: bytes | None = None) -> list[Exchange]:
    file = tmp_path / "x.har"
    document = {"log": {"version": "1.2", "creator": {"name": "t", "version": "1"}, "entries": list(entries)}}
    file.write_bytes(json.dumps(document).encode() if raw is None else raw)
    return load_capture(file)


def header(name: str, value: str) -> dict[str, str]:
    return {"name": name, "value": value}


def one(tmp_path: Path, **changes: Any) -> Exchange:
    (exchange,) = load(tmp_path, entry(**changes))
    return exchange


def test_an_entry_looks_as_envoy_would_show_it(tmp_path: Path) -> None:
    exchange = one(
        tmp_path,
        request={
            "headers": [
                header("Host", "shop.example"),
                header("Accept", "*/*"),
                header("Connection", "close"),
            ]
        },
        response={"headers": [header("Content-Type", "text/plain")]},
        startedDateTime="2024-01-01T00:00:00.5+01:00",
        timings={"blocked": -1, "dns": -1, "connect": 1, "send": 1, "wait": 10, "receive": 5},
    )
    assert exchange.request.headers == (
        (b":authority", b"shop.example"),
        (b":path", b"/a?b=1"),
        (b":method", b"GET"),
        (b":scheme", b"https"),
        (b"accept", b"*/*"),
    )
    assert exchange.response is not None
    assert exchange.response.headers == ((b":status", b"200"), (b"content-type", b"text/plain"))
    assert exchange.response.body == (b"hi",)
    assert exchange.response.times == (12_000_000, 17_000_000)
    assert exchange.started == 1_704_063_600_500_000_000
    assert (exchange.method, exchange.path, exchange.authority, exchange.status) == (
        "GET",
        "/a?b=1",
        "shop.example",
        200,
    )


def test_pseudo_headers_of_http2_are_taken_from_the_recording(tmp_path: Path) -> None:
    pseudo = [
        header(":authority", "h2.example"),
        header(":path", "/p"),
        header(":method", "GET"),
        header(":scheme", "https"),
    ]
    exchange = one(tmp_path, request={"httpVersion": "h2", "headers": pseudo})
    assert (exchange.authority, exchange.path, exchange.protocol) == ("h2.example", "/p", "HTTP/2")
    assert len(exchange.request.headers) == 4


def test_a_decoded_body_loses_its_encoding_and_gets_its_true_length(tmp_path: Path) -> None:
    headers = [
        header("Content-Encoding", "gzip"),
        header("Content-Length", "9"),
        header("Transfer-Encoding", "chunked"),
    ]
    exchange = one(tmp_path, response={"headers": headers, "content": {"text": "plain text"}})
    assert exchange.response is not None
    assert exchange.response.headers == ((b":status", b"200"), (b"content-length", b"10"))


def test_base64_bodies_are_decoded(tmp_path: Path) -> None:
    text = base64.encodebytes(bytes(range(256))).decode()
    exchange = one(tmp_path, response={"content": {"encoding": "base64", "text": text}})
    assert exchange.response is not None
    assert exchange.response.content == bytes(range(256))


def test_a_body_goes_back_to_the_charset_of_its_type(tmp_path: Path) -> None:
    exchange = one(tmp_path, response={"content": {"mimeType": "text/html; charset=ISO-8859-1", "text": "é"}})
    assert exchange.response is not None
    assert exchange.response.content == b"\xe9"
    odd = one(tmp_path, response={"content": {"mimeType": "text/html; charset=no-such", "text": "é"}})
    assert odd.response is not None
    assert odd.response.content == "é".encode()


def test_joined_set_cookie_lines_are_separate_headers_again(tmp_path: Path) -> None:
    exchange = one(tmp_path, response={"headers": [header("Set-Cookie", "a=1\nb=2")]})
    assert exchange.response is not None
    assert exchange.response.headers[1:] == ((b"set-cookie", b"a=1"), (b"set-cookie", b"b=2"))


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 304), ("GET", 204)])
def test_a_response_without_a_body_by_rule_keeps_its_length(tmp_path: Path, method: str, status: int) -> None:
    exchange = one(
        tmp_path,
        request={"method": method},
        response={"status": status, "headers": [header("Content-Length", "77")], "content": {"size": 77}},
    )
    assert exchange.response is not None
    assert exchange.response.get(b"content-length") == b"77"
    assert exchange.response.body == ()
    assert not exchange.response.truncated


def test_a_body_that_was_not_recorded_is_marked(tmp_path: Path) -> None:
    exchange = one(tmp_path, response={"headers": [header("Content-Length", "77")], "content": {"size": 77}})
    assert exchange.response is not None
    assert exchange.response.truncated
    assert exchange.response.get(b"content-length") is None


@pytest.mark.parametrize("status", [0, -1])
def test_status_zero_is_no_response(tmp_path: Path, status: int) -> None:
    assert one(tmp_path, response={"status": status}).response is None


@pytest.mark.parametrize(
    "url", ["data:text/plain,x", "blob:https://x/1", "chrome-extension://x/y", "about:blank"]
)
def test_what_never_met_the_network_is_left_out(tmp_path: Path, url: str) -> None:
    assert load(tmp_path, entry(request={"url": url})) == []


def test_a_posted_form_without_text_is_rebuilt_from_its_parameters(tmp_path: Path) -> None:
    post = {"mimeType": "application/x-www-form-urlencoded", "params": [{"name": "a b", "value": "ü&"}]}
    assert one(tmp_path, request={"method": "POST", "postData": post}).request.content == b"a+b=%C3%BC%26"


def test_a_web_socket_is_the_http_request_it_began_as(tmp_path: Path) -> None:
    exchange = one(tmp_path, request={"url": "wss://x.example/s"}, response={"status": 101})
    assert exchange.request.get(b":scheme") == b"https"
    assert exchange.status == 101


def test_byte_order_marks_and_utf_16_are_read(tmp_path: Path) -> None:
    text = json.dumps({"log": {"entries": [entry()]}})
    assert len(load(tmp_path, raw=b"\xef\xbb\xbf" + text.encode())) == 1
    assert len(load(tmp_path, raw=text.encode("utf-16"))) == 1


@pytest.mark.parametrize(
    ("document", "where", "what"),
    [
        ({"log": []}, ": log", "an object is expected, found an array"),
        ({"log": {}}, ": log.entries", "missing"),
        ({"log": {"entries": [{}]}}, ": log.entries[0].request", "missing"),
        ({"log": {"entries": [entry(), 7]}}, ": log.entries[1]", "an object is expected, found a number"),
        (
            {"log": {"entries": [entry(request={"url": 3})]}},
            ": log.entries[0].request.url",
            "a string is expected",
        ),
        (
            {"log": {"entries": [entry(request={"url": "http://[x/"})]}},
            ": log.entries[0].request.url",
            "not a URL",
        ),
        (
            {"log": {"entries": [entry(request={"headers": [{"value": "x"}]})]}},
            ": log.entries[0].request.headers[0].name",
            "missing",
        ),
        (
            {"log": {"entries": [entry(response={"status": "x"})]}},
            ": log.entries[0].response.status",
            "a number",
        ),
        (
            {"log": {"entries": [entry(response={"content": {"encoding": "base64", "text": "!"}})]}},
            ": log.entries[0].response.content.text",
            "not base64",
        ),
        ({"log": {"version": "2.0", "entries": []}}, ": log.version", "HAR version '2.0' is not 1.x"),
    ],
)
def test_a_broken_har_names_file_and_path(tmp_path: Path, document: object, where: str, what: str) -> None:
    with pytest.raises(CaptureError) as caught:
        load(tmp_path, raw=json.dumps(document).encode())
    assert caught.value.where == f"{tmp_path / 'x.har'}{where}"
    assert what in caught.value.what


def test_a_har_that_was_cut_off_names_line_and_column(tmp_path: Path) -> None:
    with pytest.raises(CaptureError) as caught:
        load(tmp_path, raw=b'{"log": {\n "entries": [')
    assert caught.value.where.endswith("x.har: line 2, column 14")
    assert caught.value.remedy == "the file is cut off: export it again"


def test_published_captures_are_read_whole(har_files: dict[str, Path]) -> None:
    counts = {name: len(load_capture(file)) for name, file in har_files.items()}
    assert counts == {
        "buy-a-mac": 611,
        "with-cookies": 56,
        "login": 206,
        "reqres": 2,
        "no-text-field": 1,
        "problematic-characters": 1,
        "local-app": 155,
    }


def test_published_captures_make_messages_that_can_be_sent(har_files: dict[str, Path]) -> None:
    for file in har_files.values():
        for exchange in load_capture(file):
            assert [name for name, _ in exchange.request.headers[:4]] == [
                b":authority",
                b":path",
                b":method",
                b":scheme",
            ]
            for message in (exchange.request, exchange.response):
                if message is None:
                    continue
                for name, value in message.headers:
                    assert name == name.lower()
                    assert not {10, 13, 0} & set(value)
                length = message.get(b"content-length")
                if length is not None and exchange.method != "HEAD" and exchange.status not in {204, 304}:
                    assert int(length) == len(message.content), exchange.source
