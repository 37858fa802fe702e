from __future__ import annotations

import pytest
from tests.shim.guest import Guest, compiled

# export, arguments, what Python sees, what C answers where nobody wrote the callback
CALLBACKS = [
    ("proxy_on_context_create", (1, 0), (1, 0), None),
    ("proxy_on_done", (1,), (1,), 1),
    ("proxy_on_log", (1,), (1,), None),
    ("proxy_on_delete", (1,), (1,), None),
    ("proxy_on_vm_start", (1, 9), (1, 9), 1),
    ("proxy_on_configure", (1, 9), (1, 9), 1),
    ("proxy_on_tick", (1,), (1,), None),
    ("proxy_on_new_connection", (2,), (2,), 0),
    ("proxy_on_downstream_data", (2, 10, 1), (2, 10, True), 0),
    ("proxy_on_downstream_connection_close", (2, 1), (2, 1), None),
    ("proxy_on_upstream_data", (2, 10, 0), (2, 10, False), 0),
    ("proxy_on_upstream_connection_close", (2, 2), (2, 2), None),
    ("proxy_on_request_headers", (2, 5, 1), (2, 5, True), 0),
    ("proxy_on_request_body", (2, 5, 0), (2, 5, False), 0),
    ("proxy_on_request_trailers", (2, 5), (2, 5), 0),
    ("proxy_on_request_metadata", (2, 5), (2, 5), 0),
    ("proxy_on_response_headers", (2, 5, 0), (2, 5, False), 0),
    ("proxy_on_response_body", (-1, 5, 1), (0xFFFFFFFF, 5, True), 0),
    ("proxy_on_response_trailers", (2, 5), (2, 5), 0),
    ("proxy_on_response_metadata", (2, 5), (2, 5), 0),
    ("proxy_on_http_call_response", (1, 2, 3, 4, 5), (1, 2, 3, 4, 5), None),
    ("proxy_on_grpc_receive_initial_metadata", (1, 2, 3), (1, 2, 3), None),
    ("proxy_on_grpc_receive", (1, 2, 3), (1, 2, 3), None),
    ("proxy_on_grpc_receive_trailing_metadata", (1, 2, 3), (1, 2, 3), None),
    ("proxy_on_grpc_close", (1, 2, -1), (1, 2, -1), None),
    ("proxy_on_queue_ready", (1, 2), (1, 2), None),
    ("proxy_on_foreign_function", (1, 2, 3), (1, 2, 3), None),
]
STREAMS = {name for name, *_, silent in CALLBACKS if silent == 0}
TCP = {"proxy_on_new_connection", "proxy_on_downstream_data", "proxy_on_upstream_data"}


@pytest.fixture(scope="module")
def silent() -> Guest:
    guest = Guest()
    guest.run("import _proxy_wasm")
    return guest


def test_every_exported_callback_has_a_case() -> None:
    exported = {export.name for export in compiled().exports}
    assert {name for name in exported if name and name.startswith("proxy_on_")} == {
        *(name for name, *_ in CALLBACKS),
        "proxy_on_memory_allocate",
    }


@pytest.mark.parametrize(("name", "arguments", "seen", "silent_answer"), CALLBACKS)
def test_a_callback_reaches_its_callable(
    silent: Guest, name: str, arguments: tuple[int, ...], seen: tuple[int, ...], silent_answer: int | None
) -> None:
    silent.run("_proxy_wasm.set_callbacks({})")
    assert silent.call(name, *arguments) == silent_answer
    silent.run(f"""
def take(*arguments):
    global seen
    seen = arguments
    return {silent_answer!r}
_proxy_wasm.set_callbacks({{{name!r}: take}})""")
    assert silent.call(name, *arguments) == silent_answer
    assert silent.value("seen") == seen
    assert all(type(a) is type(b) for a, b in zip(silent.value("seen"), seen, strict=True))


@pytest.mark.parametrize("name", [name for name, *_, answer in CALLBACKS if answer is not None])
def test_the_answer_of_the_callable_is_the_answer(silent: Guest, name: str) -> None:
    arguments = next(case[1] for case in CALLBACKS if case[0] == name)
    for answer in (0, 1):
        silent.run(f"_proxy_wasm.set_callbacks({{{name!r}: lambda *_: {answer}}})")
        assert silent.call(name, *arguments) == answer


@pytest.mark.parametrize(
    "fault", ["1 / 0", "raise SystemExit(3)", "raise MemoryError", "return 'text'", "f()", "return 2**80"]
)
@pytest.mark.parametrize(("name", "arguments", "_seen", "silent_answer"), CALLBACKS)
def test_a_callable_that_fails_is_logged_and_answered_open_or_closed(
    silent: Guest,
    name: str,
    arguments: tuple[int, ...],
    _seen: tuple[int, ...],
    silent_answer: int | None,
    fault: str,
) -> None:
    silent.run(f"""
def f(*_):
    {fault}
_proxy_wasm.set_callbacks({{{name!r}: f}})""")
    for closed in (0, 1):
        silent.run(f"_proxy_wasm.set_failure_response({closed})")
        silent.calls.clear()
        silent.logs.clear()
        answer = silent.call(name, *arguments)
        assert (4, name) in silent.logs
        assert any("Error" in text or "SystemExit" in text for level, text in silent.logs if level == 4)
        closing = [
            call for call, _ in silent.calls if call in ("proxy_send_local_response", "proxy_close_stream")
        ]
        if silent_answer is None:
            assert answer is None
        elif name not in STREAMS:
            assert answer == 0
        else:
            assert answer == closed
        wanted = "proxy_close_stream" if name in TCP else "proxy_send_local_response"
        assert closing == ([wanted] if closed and name in STREAMS else [])
    silent.run("_proxy_wasm.set_failure_response(0)")


def test_closed_is_a_500_once() -> None:
    guest = Guest()
    guest.run("""
import _proxy_wasm
_proxy_wasm.set_failure_response(1)
_proxy_wasm.set_callbacks({'proxy_on_request_headers': lambda *_: 1 / 0})""")
    assert guest.call("proxy_on_request_headers", 2, 1, 1) == 1
    assert ("proxy_send_local_response", (500, b"filter_failed", b"", b"", -1)) in guest.calls


def test_the_allocation_callback_stays_out_of_python() -> None:
    guest = Guest()
    guest.run(
        "import sys\ncount = 0\ndef trace(*_):\n    global count\n    count += 1\nsys.setprofile(trace)"
    )
    before = guest.value("count")
    addresses = [guest.call("proxy_on_memory_allocate", size) for size in (0, 1, 100, 5000, 1 << 20)]
    assert all(addresses)
    assert len(set(addresses)) == len(addresses)
    assert guest.value("count") - before <= guest.value("count") - before + 4
    for address in addresses:
        guest.call("ls_free", address)


def test_vm_boot_comes_before_the_first_callback_and_only_in_a_sealed_vm() -> None:
    guest = Guest()
    guest.run("""
import _proxy_wasm
order = []
_proxy_wasm.set_callbacks({
    'vm_boot': lambda: order.append('boot'),
    'proxy_on_tick': lambda context: print(*order, context),
})""")
    guest.call("proxy_on_tick", 1)
    assert guest.logs[-1] == (2, "1")
    guest.seal()
    for _ in range(2):
        vm = guest.fork()
        vm.call("proxy_on_tick", 2)
        vm.call("proxy_on_tick", 3)
        assert vm.logs == [(2, "boot 2"), (2, "boot 3")]


def test_a_failing_vm_boot_does_not_stop_the_vm() -> None:
    guest = Guest()
    guest.run("""
import _proxy_wasm
_proxy_wasm.set_callbacks({'vm_boot': lambda: 1 / 0, 'proxy_on_tick': lambda context: print('tick')})""")
    guest.seal()
    guest.call("proxy_on_tick", 1)
    assert [text for _, text in guest.logs][-2:] == ["ZeroDivisionError: division by zero", "tick"]
