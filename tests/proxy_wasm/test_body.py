from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.proxy_wasm.scripted import ScriptedVm, http_vm, inside

from proxy_wasm import BadArgumentError, Body, HttpContext, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def vm() -> ScriptedVm:
    vm = http_vm(HttpContext)
    vm.host.buffers[1] = b"0123456789"
    return vm


@pytest.fixture
def body(vm: ScriptedVm) -> Iterator[Body]:
    with inside(vm, callback="on_response_body") as stream:
        yield stream.response_body


def test_reading_by_range(body: Body) -> None:
    assert body.read() == bytes(body) == body[:] == b"0123456789"
    assert body.read(2, 3) == body[2:5] == b"234"
    assert body[7:] == body[-3:] == b"789"
    assert body[:-8] == b"01"
    assert body[5:2] == b""
    assert body.read(100) == body[8:100][2:] == b""
    assert body.size == len(body) == 10


@pytest.mark.parametrize("where", [slice(0, 4, 2), 3])
def test_only_ranges_without_steps(body: Body, where: slice) -> None:
    with pytest.raises(TypeError, match=r"body\[0:100\]"):
        body[where]


def test_negative_positions_are_for_slices(body: Body) -> None:
    with pytest.raises(ValueError, match=r"body\[-n:\]"):
        body.read(-1)


def test_writing(vm: ScriptedVm, body: Body) -> None:
    body.append(b"!")
    body.prepend(b"<")
    assert vm.host.buffers[1] == b"<0123456789!"
    body.replace(b"all")
    assert vm.host.buffers[1] == b"all"
    body.replace(b"A", 0, 1)
    assert vm.host.buffers[1] == b"All"
    body.replace(b"^", 0, 0)
    assert vm.host.buffers[1] == b"^All"
    body.clear()
    assert vm.host.buffers[1] == b""
    body.append(b"x")
    body[0:0] = b"y"
    assert vm.host.buffers[1] == b"yx"


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (slice(3, 5), b"012--56789"),
        (slice(3, None), b"012--"),
        (slice(-1, None), b"012345678--"),
        (slice(10, 10), b"0123456789--"),
    ],
)
def test_the_middle_is_replaced_where_the_host_only_knows_ends(
    vm: ScriptedVm, body: Body, where: slice, expected: bytes
) -> None:
    body[where] = b"--"
    assert vm.host.buffers[1] == expected


def test_adding_nothing_is_no_host_call(vm: ScriptedVm, body: Body) -> None:
    body.append(b"")
    body.prepend(b"")
    assert vm.host.calls("set_buffer_bytes") == []


def test_a_body_that_cannot_be_changed_says_so(vm: ScriptedVm, body: Body) -> None:
    vm.host.refuse["set_buffer_bytes"] = 2
    with pytest.raises(BadArgumentError, match="its own callback and while it is paused"):
        body.replace(b"x")


def test_a_body_that_is_not_there_says_so(vm: ScriptedVm) -> None:
    with inside(vm) as stream:
        with pytest.raises(NotFoundError, match="proxy_get_buffer_bytes: NOT_FOUND"):
            stream.request_body.read()
        with pytest.raises(LookupError, match="proxy_get_buffer_status"):
            len(stream.request_body)
