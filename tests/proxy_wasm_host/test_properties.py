from __future__ import annotations

import struct
from typing import Any

import pytest
from tests.proxy_wasm_host.probe import GET, MEMORY, OK, POST, Guest, Probe

from proxy_wasm_host._pairs import parse
from proxy_wasm_host._properties import encode

NOT_FOUND, SERIALIZATION_FAILURE, INVALID_MEMORY = 1, 3, 6


def read(phase: str, *paths: str, headers: Any = GET, **options: Any) -> list[bytes | int]:
    """Return the properties as a callback sees them, or their statuses."""
    seen: list[bytes | int] = []

    def handler(guest: Guest, *_: int) -> None:
        for path in paths:
            status, value = guest.prop(*path.split("."))
            seen.append(status or value)

    properties = options.pop("properties", None)
    probe = Probe(on={phase: handler}, vm_id="v", **options)
    stream = probe.plugin("p").http_stream(properties)
    with stream:
        stream.request(headers, [b"abc"] if headers is POST else [])
        stream.response(OK, [b"hello"])
    return seen


def test_who_is_asked() -> None:
    assert read("request_headers", "plugin_name", "plugin_root_id", "plugin_vm_id") == [b"p", b"p-root", b"v"]


def test_the_request() -> None:
    paths = [
        "path",
        "url_path",
        "query",
        "host",
        "method",
        "scheme",
        "protocol",
        "headers.x-a",
        "headers.none",
    ]
    headers = [*GET[:1], (":path", "/a?b=c#d"), *GET[2:], ("x-a", "1"), ("x-a", "2")]
    assert read("request_headers", *[f"request.{path}" for path in paths], headers=headers) == [
        b"/a?b=c#d", b"/a", b"b=c", b"example.org", b"GET", b"http", b"HTTP/1.1", b"1,2", NOT_FOUND,
    ]  # fmt: skip


def test_numbers_are_eight_bytes_and_booleans_one() -> None:
    size, code, port, mtls = read(
        "log", "request.size", "response.code", "source.port", "connection.mtls", headers=POST
    )
    assert (size, code) == (struct.pack("<q", 3), struct.pack("<q", 200))
    assert struct.unpack("<q", port) == (50000,)  # type: ignore[arg-type]
    assert mtls == b"\0"


def test_in_envoy_request_properties_are_gone_with_the_headers_callback_until_the_log() -> None:
    for phase in ("request_body", "response_headers", "done"):
        assert read(phase, "request.path", headers=POST) == [NOT_FOUND]
    assert read("log", "request.path", headers=POST) == [b"/a"]
    assert read("response_headers", "request.path", quirks=False) == [b"/a?b=c"]


def test_the_response() -> None:
    code, details, status = read(
        "response_headers", "response.code", "response.code_details", "response.headers.:status"
    )
    assert (code, details, status) == (struct.pack("<q", 200), b"via_upstream", b"200")
    assert read("request_headers", "response.code", "upstream.address") == [NOT_FOUND, NOT_FOUND]
    assert read("log", "response.size", "upstream.address") == [struct.pack("<q", 5), b"127.0.0.1:8080"]


def test_maps_are_serialised_and_groups_are_not() -> None:
    whole, headers = read("request_headers", "request", "request.headers")
    assert whole == SERIALIZATION_FAILURE
    assert isinstance(headers, bytes)
    assert dict(parse(headers))[b":method"] == b"GET"


def test_a_test_sets_properties_of_a_stream_and_of_the_host() -> None:
    properties = {
        "source.address": "10.0.0.1:7",
        "metadata.filter_metadata": {"team": {"name": "core"}},
        "list": ["a", "b"],
        "flag": True,
    }
    paths = ["source.address", "metadata.filter_metadata.team.name", "list.1", "list.7", "flag", "nothing"]
    assert read("request_headers", *paths, properties=properties) == [
        b"10.0.0.1:7", b"core", b"b", NOT_FOUND, b"\1", NOT_FOUND,
    ]  # fmt: skip


def test_host_wide_properties_reach_plugins_too() -> None:
    seen: list[bytes] = []
    probe = Probe(configure=lambda guest, *_: seen.append(guest.prop("node", "id")[1]))
    probe.host.properties["node"] = {"id": "sidecar~1"}
    probe.plugin()
    assert seen == [b"sidecar~1"]


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (b"\xff", b"\xff"),
        ("é", b"\xc3\xa9"),
        (True, b"\1"),
        (-1, b"\xff" * 8),
        (0.5, struct.pack("<d", 0.5)),
        ([], b"\0\0\0\0"),
    ],
)
def test_encodings(value: Any, encoded: bytes) -> None:
    assert encode(value) == encoded


def test_set_property_lasts_for_the_stream() -> None:
    seen: list[tuple[int, bytes]] = []

    def write(guest: Guest, *_: int) -> None:
        assert guest.call("proxy_set_property", *guest.put(b"mine"), *guest.put(b"value")) == 0
        assert guest.call("proxy_set_property", *guest.put(b"a\0b"), *guest.put(b"nested")) == 0
        assert guest.call("proxy_set_property", MEMORY, 1, 0, 0) == INVALID_MEMORY
        assert guest.call("proxy_get_property", MEMORY, 1, 0, 0) == INVALID_MEMORY

    def look(guest: Guest, *_: int) -> None:
        seen.extend([guest.prop("mine"), guest.prop("a", "b")])

    for quirks in (True, False):
        probe = Probe(quirks=quirks, request_headers=write, response_headers=look)
        plugin = probe.plugin()
        stream = plugin.http_stream()
        stream.request(GET)
        stream.response(OK)
        assert stream.filter_state[b"mine"] == b"value"
        assert plugin.http_stream().filter_state == {}
    # Envoy finds values by the first component alone.
    assert seen == [(0, b"value"), (NOT_FOUND, b""), (0, b"value"), (0, b"nested")]


def test_a_trailing_nul_is_no_component() -> None:
    seen: list[tuple[int, bytes]] = []
    probe = Probe(request_headers=lambda guest, *_: seen.append(guest.prop("request", "path", "")))
    probe.plugin().http_stream().request(GET)
    assert seen == [(0, b"/a?b=c")]
