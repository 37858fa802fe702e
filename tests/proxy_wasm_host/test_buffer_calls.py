from __future__ import annotations

import pytest
from tests.proxy_wasm_host.probe import GET, MEMORY, OK, POST, Guest, Probe

from proxy_wasm_host import BufferType

NOT_FOUND, BAD_ARGUMENT, INVALID_MEMORY = 1, 2, 6
BODY = int(BufferType.HTTP_REQUEST_BODY)
ALL = 0xFFFF_FFFF


def in_body(handler: object, body: bytes = b"0123456789", **options: object) -> bytes:
    """Run a handler in the request's body callback and return what went upstream."""
    probe = Probe(request_body=handler, **options)  # type: ignore[arg-type]
    stream = probe.plugin().http_stream()
    return stream.request(POST, [body]).body


def test_ranges_are_cut_at_the_end() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.body(BODY, 0, 4) == (0, b"0123")
        assert guest.body(BODY, 8, 4) == (0, b"89")
        assert guest.body(BODY, 0, 100) == (0, b"0123456789")
        assert guest.body(BODY, 0, 0) == (0, b"")
        assert guest.body(BODY, 10, 5) == (0, b"")

    in_body(handler)


def test_past_the_end_reads_as_nothing_in_envoy_and_is_refused_by_the_specification() -> None:
    seen: list[int] = []

    def handler(guest: Guest, *_: int) -> None:
        seen.extend([guest.body(BODY, 11, 1)[0], guest.body(BODY, 1, ALL)[0]])

    in_body(handler)
    in_body(handler, quirks=False)
    assert seen == [0, 0, BAD_ARGUMENT, BAD_ARGUMENT]


@pytest.mark.parametrize(
    ("start", "size", "expected"),
    [
        (0, 0, b"XY0123456789"),
        (0, 10, b"XY"),
        (0, 99, b"XY"),
        (0, ALL, b"XY"),
        (10, 0, b"0123456789XY"),
        (99, 5, b"0123456789XY"),
        (ALL, 0, b"0123456789XY"),
    ],
)
def test_prepend_replace_and_append(start: int, size: int, expected: bytes) -> None:
    for quirks in (True, False):
        assert in_body(lambda guest, *_: guest.set_body(BODY, b"XY", start, size), quirks=quirks) == expected


def test_injection_works_in_the_specification_only() -> None:
    seen: list[int] = []

    def handler(guest: Guest, *_: int) -> None:
        seen.append(guest.set_body(BODY, b"XY", 2, 3))
        seen.append(guest.set_body(BODY, b"", 0, 1))

    assert in_body(handler) == b"0123456789"
    assert in_body(handler, quirks=False) == b"1XY56789"
    assert seen == [BAD_ARGUMENT, BAD_ARGUMENT, 0, 0]


def test_a_body_can_be_emptied() -> None:
    assert in_body(lambda guest, *_: guest.set_body(BODY, b"")) == b""


def test_status_gives_size_and_no_flags() -> None:
    def handler(guest: Guest, *_: int) -> None:
        size, flags = guest.out(), guest.out()
        assert guest.call("proxy_get_buffer_status", BODY, size, flags) == 0
        assert (guest.u32(size), guest.u32(flags)) == (10, 0)
        assert guest.call("proxy_get_buffer_status", BODY, MEMORY, flags) == INVALID_MEMORY
        assert guest.call("proxy_get_buffer_status", 9, MEMORY, flags) == BAD_ARGUMENT

    in_body(handler)


def test_bad_pointers_and_unknown_buffers() -> None:
    def handler(guest: Guest, *_: int) -> None:
        out = guest.out()
        assert guest.call("proxy_get_buffer_bytes", BODY, 0, 9, MEMORY, out) == INVALID_MEMORY
        assert guest.call("proxy_get_buffer_bytes", BODY, 0, 9, out, MEMORY - 1) == INVALID_MEMORY
        assert guest.call("proxy_set_buffer_bytes", BODY, 0, 9, MEMORY - 1, 2) == INVALID_MEMORY
        assert guest.call("proxy_set_buffer_bytes", BODY, 0, 9, 0, ALL) == INVALID_MEMORY
        for buffer in (9, ALL):
            assert guest.call("proxy_get_buffer_bytes", buffer, 0, 9, MEMORY, MEMORY) == BAD_ARGUMENT
            assert guest.call("proxy_set_buffer_bytes", buffer, 0, 9, MEMORY, MEMORY) == BAD_ARGUMENT

    assert in_body(handler) == b"0123456789"


def test_configurations_can_be_read_where_they_belong() -> None:
    seen: dict[str, object] = {}

    def configure(guest: Guest, _root: int, size: int) -> None:
        seen["configure"] = (size, guest.body(7), guest.body(6)[1])

    def start(guest: Guest, _root: int, size: int) -> None:
        seen["start"] = (size, guest.body(6), guest.body(7)[0])

    probe = Probe(vm_configuration=b"vm", configure=configure, vm_start=start)
    probe.plugin(configuration=b"plugin")
    assert seen == {"start": (2, (0, b"vm"), NOT_FOUND), "configure": (6, (0, b"plugin"), b"vm")}


def test_large_bodies_pass_through_the_module() -> None:
    big = bytes(range(256)) * 4096

    def handler(guest: Guest, _context: int, size: int, _end: int) -> None:
        status, data = guest.body(BODY)
        assert (status, len(data), size) == (0, len(big), len(big))
        assert guest.set_body(BODY, data[::-1]) == 0

    assert in_body(handler, big) == big[::-1]


def test_one_side_cannot_be_edited_in_the_other_sides_callback() -> None:
    def handler(guest: Guest, *_: int) -> None:
        assert guest.set_body(BODY, b"x") == BAD_ARGUMENT

    stream = Probe(response_body=handler).plugin().http_stream()
    stream.request(GET)
    assert stream.response(OK, [b"y"]).body == b"y"
