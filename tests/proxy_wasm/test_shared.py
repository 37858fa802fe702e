from __future__ import annotations

import pytest
from tests.proxy_wasm.scripted import ScriptedVm, http_vm, inside

from proxy_wasm import CasMismatchError, HttpContext, NotFoundError, SharedQueue, shared_data


@pytest.fixture
def vm() -> ScriptedVm:
    return http_vm(HttpContext)


def test_values(vm: ScriptedVm) -> None:
    with inside(vm):
        assert shared_data.get("k") == (None, 0)
        assert "k" not in shared_data
        with pytest.raises(KeyError, match="k"):
            shared_data["k"]
        shared_data["k"] = "v"
        assert shared_data[b"k"] == b"v"
        assert "k" in shared_data
        assert shared_data.get("k") == (b"v", 1)


def test_compare_and_swap(vm: ScriptedVm) -> None:
    with inside(vm):
        shared_data["k"] = b"1"
        _, cas = shared_data.get("k")
        shared_data.set("k", b"2", cas)
        with pytest.raises(CasMismatchError, match=r"shared_data\.update\(\)"):
            shared_data.set("k", b"3", cas)
        assert shared_data["k"] == b"2"


def test_update_tries_again_until_nobody_was_quicker(vm: ScriptedVm) -> None:
    others = iter([b"10", b"20"])

    def increment(value: bytes | None) -> bytes:
        other = next(others, None)
        if other is not None:
            shared_data["k"] = other
        return b"%d" % (int(value or b"0") + 1)

    with inside(vm):
        assert shared_data.update("k", increment) == b"21"
        assert shared_data["k"] == b"21"
        assert shared_data.update("new", str) == b"None"
        assert shared_data.update("new", lambda _: None) == b"None"


def test_update_of_a_new_key_where_the_host_compares_with_nothing_too(vm: ScriptedVm) -> None:
    asked: list[int] = []

    def strict(key: bytes, value: bytes, cas: int) -> None:
        asked.append(cas)
        if cas:
            vm.host.refuse["set_shared_data"] = 8
            vm.host._note("set_shared_data")
        vm.host.shared[key] = (value, 1)

    with inside(vm):
        vm.host.set_shared_data = strict  # type: ignore[method-assign] # another kind of host
        assert shared_data.update("k", lambda _: "v") == b"v"
    assert asked == [0xFFFFFFFF, 0]


def test_update_gives_up_in_the_end(vm: ScriptedVm) -> None:
    vm.host.refuse["set_shared_data"] = 8
    with inside(vm), pytest.raises(CasMismatchError):
        shared_data.update("k", lambda _: "v")


def test_queues(vm: ScriptedVm) -> None:
    with inside(vm):
        mine = SharedQueue.register("jobs")
        other = SharedQueue.resolve("jobs", vm_id="vm")
        assert mine.queue_id == other.queue_id
        other.enqueue("a")
        other.enqueue(b"b")
        other.enqueue(b"")
        assert mine.dequeue() == b"a"
        assert list(mine) == [b"b", b""]
        assert mine.dequeue() is None
        assert repr(mine) == "SharedQueue(1, 'jobs')"
        with pytest.raises(NotFoundError, match="proxy_resolve_shared_queue"):
            SharedQueue.resolve("none")
