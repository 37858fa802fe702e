from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.proxy_wasm_host.probe import GET, MEMORY, OK, REFUSE_MEMORY, Guest, Probe

from proxy_wasm_host import AbiVersion, HeaderMap, MapType
from proxy_wasm_host._pairs import parse, serialise

NOT_FOUND, BAD_ARGUMENT, INVALID_MEMORY = 1, 2, 6
REQUEST = int(MapType.HTTP_REQUEST_HEADERS)
PAIRS = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=20)), max_size=20)


def in_request(handler: object, headers: object = GET, **options: object) -> HeaderMap:
    """Run a handler in the request's headers callback and return what went upstream."""
    probe = Probe(request_headers=handler, **options)  # type: ignore[arg-type]
    stream = probe.plugin().http_stream()
    stream.request_headers(headers)  # type: ignore[arg-type]
    assert stream.upstream.headers is not None
    return stream.upstream.headers


def test_values_are_found_whatever_the_case() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.header(REQUEST, b"X-One") == (0, b"1")
        assert guest.header(REQUEST, b"x-empty") == (0, b"")
        assert guest.header(REQUEST, b"x-none")[0] == NOT_FOUND
        assert guest.header(REQUEST, b"")[0] == NOT_FOUND

    in_request(handler, [*GET, ("X-ONE", "1"), ("x-empty", "")])


def test_modules_of_0_1_0_get_an_empty_value_for_a_missing_one() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.header(REQUEST, b"x-none") == (0, b"")

    in_request(handler, abi=AbiVersion.V0_1_0)


def test_values_are_bytes() -> None:
    raw = bytes(range(128, 256))

    def handler(guest: Guest, *_: int) -> None:
        assert guest.header(REQUEST, b"x-raw") == (0, raw)
        guest.add(REQUEST, b"x-more", raw)

    assert in_request(handler, [*GET, (b"x-raw", raw)])["x-more"] == raw


def test_repeated_fields_keep_their_order() -> None:
    def handler(guest: Guest, *_: int) -> None:
        guest.add(REQUEST, b"Set-Cookie", b"b")
        status, pairs = guest.pairs(REQUEST)
        assert status == 0
        assert pairs[-3:] == [(b"set-cookie", b"a"), (b"x-z", b"1"), (b"set-cookie", b"b")]
        assert guest.header(REQUEST, b"set-cookie") == (0, b"a")

    headers = in_request(handler, [*GET, ("set-cookie", "a"), ("x-z", "1")])
    assert headers.get_all("set-cookie") == [b"a", b"b"]


def test_fields_that_envoy_keeps_once_are_joined() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.add(REQUEST, b"via", b"2") == 0

    assert in_request(handler, [*GET, ("via", "1")]).get_all("via") == [b"1,2"]
    assert in_request(handler, [*GET, ("via", "1")], quirks=False).get_all("via") == [b"1", b"2"]


def test_replace_leaves_one_value_at_the_end() -> None:
    def handler(guest: Guest, *_: int) -> None:
        guest.replace(REQUEST, b"x-a", b"3")
        guest.replace(REQUEST, b"x-new", b"1")

    headers = in_request(handler, [*GET, ("x-a", "1"), ("x-b", "1"), ("x-a", "2")])
    assert headers.pairs()[4:] == [(b"x-b", b"1"), (b"x-a", b"3"), (b"x-new", b"1")]


def test_pseudo_headers_stay_first() -> None:
    def handler(guest: Guest, *_: int) -> None:
        guest.replace(REQUEST, b":path", b"/elsewhere")

    headers = in_request(handler, [*GET, ("x-a", "1")])
    assert [name for name, _ in headers] == [b":method", b":authority", b":scheme", b":path", b"x-a"]


def test_remove_takes_all_and_a_missing_one_is_fine() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.remove(REQUEST, b"X-A") == 0
        assert guest.remove(REQUEST, b"x-none") == 0

    assert "x-a" not in in_request(handler, [*GET, ("x-a", "1"), ("x-a", "2")])


def test_set_pairs_replaces_everything() -> None:
    wanted = [(b":method", b"PUT"), (b":path", b"/"), (b"X-A", b"")]

    def handler(guest: Guest, *_: int) -> None:
        assert guest.set_pairs(REQUEST, wanted) == 0

    assert in_request(handler).pairs() == [(b":method", b"PUT"), (b":path", b"/"), (b"x-a", b"")]


def test_the_size_is_of_names_and_values_in_envoy_and_serialised_in_the_specification() -> None:
    sizes: list[int] = []

    def handler(guest: Guest, *_: int) -> None:
        sizes.append(guest.number("proxy_get_header_map_size", REQUEST)[1])

    headers = [(":method", "GET"), (":path", "/")]
    in_request(handler, headers)
    in_request(handler, headers, quirks=False)
    assert sizes == [16, len(serialise([(b":method", b"GET"), (b":path", b"/")]))]


def test_an_empty_map_is_a_null_pointer_in_envoy_and_a_zero_count_in_the_specification() -> None:
    seen: list[bytes] = []

    def handler(guest: Guest, *_: int) -> None:
        guest.set_pairs(int(MapType.HTTP_REQUEST_TRAILERS), [])
        seen.append(guest.given("proxy_get_header_map_pairs", int(MapType.HTTP_REQUEST_TRAILERS))[1])

    for quirks in (True, False):
        stream = Probe(quirks=quirks, request_trailers=handler).plugin().http_stream()
        stream.request([(":method", "POST"), (":path", "/")], [b"x"], trailers=[("t", "1")])
    assert seen == [b"", b"\0\0\0\0"]


@pytest.mark.parametrize("map_type", [8, 99, 0xFFFF_FFFF])
def test_unknown_maps_are_a_bad_argument_whatever_the_pointers(map_type: int) -> None:
    def handler(guest: Guest, *_: int) -> None:
        bad = MEMORY
        for name, count in {
            "get_header_map_value": 4,
            "get_header_map_pairs": 2,
            "get_header_map_size": 1,
            "set_header_map_pairs": 2,
            "add_header_map_value": 4,
            "replace_header_map_value": 4,
            "remove_header_map_value": 2,
        }.items():
            assert guest.call(f"proxy_{name}", map_type, *[bad] * count) == BAD_ARGUMENT, name

    in_request(handler)


def test_bad_pointers_are_told_apart_from_bad_arguments() -> None:
    def handler(guest: Guest, *_: int) -> None:
        key, size = guest.put(b":path")
        out = guest.out()
        last = MEMORY - 3
        for arguments in (
            (MEMORY, 1, out, out),
            (key, MEMORY, out, out),
            (key, 0xFFFF_FFFF, out, out),
            (key, size, MEMORY - 2, out),
            (key, size, out, last),
        ):
            assert guest.call("proxy_get_header_map_value", REQUEST, *arguments) == INVALID_MEMORY
        assert guest.call("proxy_add_header_map_value", REQUEST, key, size, MEMORY, 1) == INVALID_MEMORY
        assert guest.call("proxy_set_header_map_pairs", REQUEST, MEMORY - 4, 5) == INVALID_MEMORY
        assert guest.call("proxy_get_header_map_pairs", REQUEST, out, last) == INVALID_MEMORY
        assert guest.call("proxy_get_header_map_size", REQUEST, last) == INVALID_MEMORY
        # An empty string at the very end is within bounds.
        assert guest.call("proxy_remove_header_map_value", REQUEST, MEMORY, 0) == 0

    assert in_request(handler) == GET


def test_a_module_without_memory_to_give_gets_an_invalid_access() -> None:
    def handler(guest: Guest, *_: int) -> None:
        guest.memory.write_u32(REFUSE_MEMORY, 1)
        assert guest.header(REQUEST, b":path")[0] == INVALID_MEMORY
        assert guest.pairs(REQUEST)[0] == INVALID_MEMORY
        guest.memory.write_u32(REFUSE_MEMORY, 0)

    in_request(handler)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\1\0\0",
        b"\1\0\0\0",
        b"\1\0\0\0\1\0\0\0\1\0\0\0a\0b",
        b"\1\0\0\0\1\0\0\0\1\0\0\0a\0bX",
        b"\1\0\0\0\1\0\0\0\1\0\0\0aXb\0",
        b"\1\0\0\0\1\0\0\0\1\0\0\0a\0b\0left",
        b"\xff\xff\xff\xff",
        b"\1\0\0\0\xff\xff\xff\xff\0\0\0\0\0\0",
        b"\x01\x04\0\0" + b"\0" * (1025 * 8) + b"\0" * (1025 * 2),
    ],
)
def test_a_malformed_map_reads_as_none_at_all(raw: bytes) -> None:
    assert parse(raw) == []


@given(PAIRS)
def test_maps_survive_the_border(pairs: list[tuple[bytes, bytes]]) -> None:
    assert parse(serialise(pairs)) == pairs


@given(st.binary(max_size=64))
def test_any_bytes_can_be_read_as_a_map(raw: bytes) -> None:
    pairs = parse(raw)
    assert pairs == [] or serialise(pairs) == raw


def test_request_maps_are_forgotten_once_a_stream_goes_on() -> None:
    def handler(guest: Guest, *_: int) -> int:
        assert guest.header(REQUEST, b":path")[0] == 0
        assert guest.call("proxy_continue_stream", 1) == 0
        assert guest.header(REQUEST, b":path")[0] == BAD_ARGUMENT
        return 0

    in_request(handler)


def test_header_maps_compare_and_answer_like_mappings() -> None:
    mapping: dict[str, str | bytes] = {"A": "1", "b": b"2"}
    headers = HeaderMap(mapping)
    assert headers == [("a", "1"), ("b", "2")]
    assert headers == HeaderMap([("a", "1"), ("b", "2")])
    assert headers != [("a", "1")]
    assert (headers["a"], headers.get("none"), headers.text("b"), "A" in headers, len(headers)) == (
        b"1", None, "2", True, 2,
    )  # fmt: skip
    assert HeaderMap([(b"x", b"\xff")]).text("x") == "\\xff"
    with pytest.raises(KeyError):
        headers["none"]


def test_response_headers_can_be_edited() -> None:
    def handler(guest: Guest, *_: int) -> None:
        guest.remove(2, b"content-type")
        guest.replace(2, b":status", b"418")

    stream = Probe(response_headers=handler).plugin().http_stream()
    stream.request(GET)
    assert stream.response(OK).headers == [(":status", "418")]
    assert stream.downstream.status == 418
