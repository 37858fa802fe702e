"""Shared data and shared queues: what VMs with the same or another vm_id see of each other."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import Status
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable


class SharedData:
    """Key-value pairs, one name space a vm_id, with compare-and-swap numbers that never repeat."""

    def __init__(self) -> None:
        self._maps: dict[str, dict[bytes, tuple[bytes, int]]] = {}
        self._last_cas = 0

    def get(self, vm_id: str, key: bytes) -> tuple[bytes, int] | None:
        """Return value and compare-and-swap number of `key`, or None."""
        return self._maps.get(vm_id, {}).get(key)

    def set(self, vm_id: str, key: bytes, value: bytes, cas: int) -> None:
        """Set `key`; a `cas` other than 0 must be that of the present value (CAS_MISMATCH)."""
        entries = self._maps.setdefault(vm_id, {})
        present = entries.get(key)
        if present is not None and cas and cas != present[1]:
            raise HostCallFailed(Status.CAS_MISMATCH)
        # 0 means "whatever is there" on the wire, so it is never given out.
        self._last_cas = (self._last_cas % 0xFFFF_FFFF) + 1
        entries[key] = (value, self._last_cas)

    def keys(self, vm_id: str) -> list[bytes]:
        """Return the keys of a vm_id."""
        return list(self._maps.get(vm_id, ()))

    def forget(self, vm_id: str) -> None:
        """Drop a name space: its last VM went."""
        self._maps.pop(vm_id, None)


class _Queue:
    __slots__ = ("items", "key", "ready")

    def __init__(self, key: tuple[str, bytes]) -> None:
        self.key = key
        self.items: deque[bytes] = deque()
        self.ready: Callable[[int], None] = lambda _queue_id: None


class SharedQueues:
    """Named queues; the plugin that registered a queue last is told of what is put in."""

    def __init__(self) -> None:
        self._ids: dict[tuple[str, bytes], int] = {}
        self._queues: dict[int, _Queue] = {}
        self._next_id = 1

    def register(self, vm_id: str, name: bytes, ready: Callable[[int], None]) -> int:
        """Return the id of the queue `name` of `vm_id`, creating it; `ready` hears of new items now."""
        key = (vm_id, name)
        queue_id = self._ids.get(key)
        if queue_id is None:
            queue_id = self._next_id
            self._next_id += 1
            self._ids[key] = queue_id
            self._queues[queue_id] = _Queue(key)
        self._queues[queue_id].ready = ready
        return queue_id

    def resolve(self, vm_id: str, name: bytes) -> int | None:
        """Return the id of a queue, or None."""
        return self._ids.get((vm_id, name))

    def enqueue(self, queue_id: int, value: bytes) -> None:
        """Put `value` in and tell the reader."""
        queue = self._queues.get(queue_id)
        if queue is None:
            raise HostCallFailed(Status.NOT_FOUND)
        queue.items.append(value)
        queue.ready(queue_id)

    def dequeue(self, queue_id: int) -> bytes:
        """Take the oldest value out."""
        queue = self._queues.get(queue_id)
        if queue is None:
            raise HostCallFailed(Status.NOT_FOUND)
        if not queue.items:
            raise HostCallFailed(Status.EMPTY)
        return queue.items.popleft()

    def length(self, vm_id: str, name: bytes) -> int:
        """Return how many values wait in a queue (0 for none such)."""
        queue_id = self._ids.get((vm_id, name))
        return 0 if queue_id is None else len(self._queues[queue_id].items)

    def forget(self, vm_id: str) -> None:
        """Drop the queues of a vm_id: its last VM went."""
        for key in [key for key in self._ids if key[0] == vm_id]:
            del self._queues[self._ids.pop(key)]
