from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest
from tests.shim.guest import SPEC, Guest

if TYPE_CHECKING:
    from collections.abc import Sequence


def wire(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    sizes = b"".join(struct.pack("<II", len(key), len(value)) for key, value in pairs)
    return struct.pack("<I", len(pairs)) + sizes + b"".join(k + b"\0" + v + b"\0" for k, v in pairs)


PAIRS = [(b"a", b"1"), (b"a", b""), (b"\xff", b"x\0y")]

# call, import, what the host is to see, what it answers, what Python is to see
CASES: list[tuple[str, str, tuple[Any, ...], tuple[Any, ...], Any]] = [
    ("log(2, b'hi')", "proxy_log", (2, b"hi"), (), None),
    ("log(5, 'h\\xe9\\udc80')", "proxy_log", (5, b"h\xc3\xa9\\udc80"), (), None),
    ("get_log_level()", "proxy_get_log_level", (), (3,), 3),
    ("get_current_time_nanoseconds()", "proxy_get_current_time_nanoseconds", (), (1 << 63,), 1 << 63),
    ("set_tick_period_milliseconds(250)", "proxy_set_tick_period_milliseconds", (250,), (), None),
    ("get_buffer_bytes(1, 2, 3)", "proxy_get_buffer_bytes", (1, 2, 3), (b"a\0b",), b"a\0b"),
    ("get_buffer_bytes(1, 0, 0xffffffff)", "proxy_get_buffer_bytes", (1, 0, -1), (b"",), b""),
    ("get_buffer_bytes(1, 0, 9)", "proxy_get_buffer_bytes", (1, 0, 9), (b"x",), b"x"),
    ("get_buffer_status(6)", "proxy_get_buffer_status", (6,), (4096, 1), (4096, 1)),
    ("set_buffer_bytes(0, 1, 2, b'new')", "proxy_set_buffer_bytes", (0, 1, 2, b"new"), (), None),
    ("set_buffer_bytes(0, 0, 0, bytearray(b'ba'))", "proxy_set_buffer_bytes", (0, 0, 0, b"ba"), (), None),
    (
        "set_buffer_bytes(0, 0, 0, memoryview(b'abcd')[1:3])",
        "proxy_set_buffer_bytes",
        (0, 0, 0, b"bc"),
        (),
        None,
    ),
    ("get_header_map_size(0)", "proxy_get_header_map_size", (0,), (77,), 77),
    ("get_header_map_pairs(2)", "proxy_get_header_map_pairs", (2,), (wire(PAIRS),), PAIRS),
    ("get_header_map_pairs(2)", "proxy_get_header_map_pairs", (2,), (wire([]),), []),
    ("get_header_map_pairs(2)", "proxy_get_header_map_pairs", (2,), (b"",), []),
    (f"set_header_map_pairs(0, {PAIRS})", "proxy_set_header_map_pairs", (0, wire(PAIRS)), (), None),
    ("set_header_map_pairs(0, [])", "proxy_set_header_map_pairs", (0, b""), (), None),
    (
        "set_header_map_pairs(0, ([bytearray(b'k'), memoryview(b'v')],))",
        "proxy_set_header_map_pairs",
        (0, wire([(b"k", b"v")])),
        (),
        None,
    ),
    ("get_header_map_value(0, b':path')", "proxy_get_header_map_value", (0, b":path"), (b"/",), b"/"),
    ("get_header_map_value(0, b'empty')", "proxy_get_header_map_value", (0, b"empty"), (b"",), b""),
    ("add_header_map_value(0, b'k', b'v')", "proxy_add_header_map_value", (0, b"k", b"v"), (), None),
    ("replace_header_map_value(0, b'k', b'')", "proxy_replace_header_map_value", (0, b"k", b""), (), None),
    ("remove_header_map_value(0, b'k')", "proxy_remove_header_map_value", (0, b"k"), (), None),
    ("continue_stream(1)", "proxy_continue_stream", (1,), (), None),
    ("close_stream(2)", "proxy_close_stream", (2,), (), None),
    ("get_status()", "proxy_get_status", (), (14, b"no"), (14, b"no")),
    (
        "send_local_response(403, b'why', b'body', [(b'a', b'b')], -1)",
        "proxy_send_local_response",
        (403, b"why", b"body", wire([(b"a", b"b")]), -1),
        (),
        None,
    ),
    (
        "http_call(b'up', [(b':path', b'/')], b'body', [(b't', b'1')], 500)",
        "proxy_http_call",
        (b"up", wire([(b":path", b"/")]), b"body", wire([(b"t", b"1")]), 500),
        (9,),
        9,
    ),
    (
        "grpc_call(b'up', b's', b'm', [], b'msg', 5)",
        "proxy_grpc_call",
        (b"up", b"s", b"m", b"", b"msg", 5),
        (10,),
        10,
    ),
    ("grpc_stream(b'up', b's', b'm', [])", "proxy_grpc_stream", (b"up", b"s", b"m", b""), (11,), 11),
    ("grpc_send(11, b'msg', True)", "proxy_grpc_send", (11, b"msg", 1), (), None),
    ("grpc_cancel(11)", "proxy_grpc_cancel", (11,), (), None),
    ("grpc_close(11)", "proxy_grpc_close", (11,), (), None),
    ("get_shared_data(b'k')", "proxy_get_shared_data", (b"k",), (b"v", 5), (b"v", 5)),
    ("set_shared_data(b'k', b'v', 5)", "proxy_set_shared_data", (b"k", b"v", 5), (), None),
    ("register_shared_queue(b'q')", "proxy_register_shared_queue", (b"q",), (3,), 3),
    ("resolve_shared_queue(b'vm', b'q')", "proxy_resolve_shared_queue", (b"vm", b"q"), (3,), 3),
    ("enqueue_shared_queue(3, b'item')", "proxy_enqueue_shared_queue", (3, b"item"), (), None),
    ("dequeue_shared_queue(3)", "proxy_dequeue_shared_queue", (3,), (b"item",), b"item"),
    ("define_metric(1, b'gauge')", "proxy_define_metric", (1, b"gauge"), (7,), 7),
    ("record_metric(7, 2**64 - 1)", "proxy_record_metric", (7, -1), (), None),
    ("increment_metric(7, -3)", "proxy_increment_metric", (7, -3), (), None),
    ("get_metric(7)", "proxy_get_metric", (7,), (1 << 40,), 1 << 40),
    ("get_property(b'a\\0b')", "proxy_get_property", (b"a\0b",), (b"v",), b"v"),
    ("set_property(b'a', b'v')", "proxy_set_property", (b"a", b"v"), (), None),
    ("call_foreign_function(b'f', b'x')", "proxy_call_foreign_function", (b"f", b"x"), (b"y",), b"y"),
    ("set_effective_context(4)", "proxy_set_effective_context", (4,), (), None),
    ("done()", "proxy_done", (), (), None),
]

NONE_ON = {
    "proxy_get_buffer_bytes": 1,
    "proxy_get_buffer_status": 1,
    "proxy_get_header_map_value": 1,
    "proxy_get_shared_data": 1,
    "proxy_resolve_shared_queue": 1,
    "proxy_dequeue_shared_queue": 7,
    "proxy_get_property": 1,
    "proxy_call_foreign_function": 1,
}


@pytest.fixture(scope="module")
def shared() -> Guest:
    guest = Guest()
    guest.run("import _proxy_wasm")
    return guest


@pytest.fixture
def guest(shared: Guest) -> Guest:
    shared.script.clear()
    shared.calls.clear()
    return shared


def test_every_host_call_has_a_case() -> None:
    assert {case[1] for case in CASES} == set(SPEC)


@pytest.mark.parametrize(
    ("call", "name", "inputs", "outputs", "result"), CASES, ids=[case[0] for case in CASES]
)
def test_arguments_and_answers_cross(
    guest: Guest, call: str, name: str, inputs: tuple[Any, ...], outputs: tuple[Any, ...], result: Any
) -> None:
    guest.script[name] = (0, *outputs)
    assert guest.value(f"_proxy_wasm.{call}") == result
    assert (name, inputs) in guest.calls


@pytest.mark.parametrize(
    ("call", "name"), [(case[0], case[1]) for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_status_becomes_what_the_error_factory_makes_or_none(guest: Guest, call: str, name: str) -> None:
    guest.run("""
class HostError(Exception): pass
_proxy_wasm.set_error_factory(lambda call, status: HostError(call, status))
def outcome(function):
    try:
        return function()
    except HostError as error:
        return error.args
""")
    for status in (1, 2, 7, 10):
        guest.script[name] = status
        expected = None if NONE_ON.get(name) == status else (name.removeprefix("proxy_"), status)
        assert guest.value(f"outcome(lambda: _proxy_wasm.{call})") == expected


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("set_buffer_bytes(0, 0, 0, 'text')", "TypeError"),
        ("set_buffer_bytes(0, 0, 0, memoryview(b'abcd')[::2])", "BufferError"),
        ("get_buffer_bytes(0, 0)", "TypeError"),
        ("get_buffer_bytes(0, 0, '1')", "TypeError"),
        ("get_buffer_bytes(0, 0, 2**32)", "OverflowError"),
        ("record_metric(1, 2**64)", "OverflowError"),
        ("record_metric(1, -2**63 - 1)", "OverflowError"),
        ("record_metric(1, 1.5)", "TypeError"),
        ("set_header_map_pairs(0, [(b'a',)])", "ValueError"),
        ("set_header_map_pairs(0, [b'ab'])", "TypeError"),
        ("set_header_map_pairs(0, [('a', b'b')])", "TypeError"),
        ("set_header_map_pairs(0, None)", "TypeError"),
        ("set_error_factory(1)", "TypeError"),
        ("set_failure_response(2)", "ValueError"),
        ("set_callbacks([])", "TypeError"),
        ("set_callbacks({'proxy_on_typo': print})", "ValueError"),
        ("set_callbacks({'proxy_on_tick': 1})", "TypeError"),
    ],
)
def test_wrong_arguments_never_reach_the_host(guest: Guest, call: str, error: str) -> None:
    guest.run(f"""
try:
    _proxy_wasm.{call}
    seen = None
except Exception as problem:
    seen = type(problem).__name__
""")
    assert guest.value("seen") == error
    assert guest.calls == []


@pytest.mark.parametrize(
    "data",
    [
        b"\1",
        b"\1\0\0",
        struct.pack("<I", 1),
        struct.pack("<III", 1, 1, 1) + b"a\0",
        struct.pack("<III", 1, 0xFFFFFFFF, 1) + b"a\0b\0",
        struct.pack("<I", 0xFFFFFFFF),
        struct.pack("<I", 0x20000001) + bytes(8),
    ],
)
def test_a_header_map_cut_short_is_an_error_and_no_crash(guest: Guest, data: bytes) -> None:
    guest.script["proxy_get_header_map_pairs"] = (0, data)
    guest.run("""
try:
    _proxy_wasm.get_header_map_pairs(0)
    seen = None
except ValueError as problem:
    seen = str(problem)
""")
    assert guest.value("seen") == "the host's header map is cut short"


def test_a_status_without_a_factory_is_a_runtime_error() -> None:
    guest = Guest()
    guest.script["proxy_done"] = 10
    assert guest.attempt("import _proxy_wasm; _proxy_wasm.done()") == 1
    assert (4, "RuntimeError: done: host status 10") in guest.logs


def test_a_body_is_copied_once_into_its_bytes_object(guest: Guest) -> None:
    body = bytes(range(256)) * 4096
    guest.script["proxy_get_buffer_bytes"] = (0, body)
    before = guest.pages()
    guest.run("body = _proxy_wasm.get_buffer_bytes(1, 0, 1 << 30)")
    assert guest.value("(len(body), body == bytes(range(256)) * 4096)") == (len(body), True)
    assert guest.pages() - before <= 2 * len(body) // 65536 + 4


def test_a_callback_in_the_middle_of_a_host_call_allocates_for_itself() -> None:
    guest = Guest()
    guest.run("""
import _proxy_wasm
def inner(context, function, size):
    seen.append(_proxy_wasm.get_buffer_bytes(8, 0, size))
seen = []
_proxy_wasm.set_callbacks({'proxy_on_foreign_function': inner})
""")
    guest.script["proxy_get_buffer_bytes"] = (0, b"inner")

    def call_back(*_: Any) -> tuple[int, bytes]:
        guest.call("proxy_on_foreign_function", 1, 2, 5)
        return 0, b"outer"

    guest.script["proxy_call_foreign_function"] = call_back
    assert guest.value("_proxy_wasm.call_foreign_function(b'f', b'')") == b"outer"
    guest.script.clear()
    assert guest.value("seen") == [b"inner"]
