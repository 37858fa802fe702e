"""What the VMs of a host share.

A key-value store and queues (v0.2.1, "Shared Key-Value Store", "Shared Queues").
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._errors import CasMismatchError, host_call_error
from proxy_wasm._headers import to_bytes
from proxy_wasm._types import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NEVER = 0xFFFFFFFF
"""A compare-and-swap number no host has given out yet: Envoy's counts from 1."""
_ATTEMPTS = 1000
"""Far more than there are workers to lose against."""


class SharedData:
    """The key-value store of the VM id.

    There is one, ``shared_data``. Values cannot be removed, only emptied.
    """

    __slots__ = ()

    def get(self, key: str | bytes) -> tuple[bytes | None, int]:
        """The value and its compare-and-swap number; ``(None, 0)`` if there is none."""
        found = host.get_shared_data(to_bytes(key))
        return (None, 0) if found is None else found

    def set(self, key: str | bytes, value: str | bytes, cas: int = 0) -> None:
        """Set a value; with a ``cas`` from :meth:`get`, only if nobody else did meanwhile.

        Raises :class:`CasMismatchError` if somebody did. 0 means "in any case".
        """
        host.set_shared_data(to_bytes(key), to_bytes(value), cas)

    def update(self, key: str | bytes, change: Callable[[bytes | None], str | bytes | None]) -> bytes | None:
        """Change a value so that no other VM's change is lost; gives the value that holds now.

        ``change`` gets the value (``None`` if there is none) and gives the new one, or ``None`` to leave it;
        it runs again each time another VM was quicker.
        """
        raw_key = to_bytes(key)
        attempt = 0
        while True:
            value, cas = self.get(raw_key)
            changed = change(value)
            if changed is None:
                return value
            new = to_bytes(changed)
            # For a new key a number nobody has means "only if it is still not there" where the host compares
            # with what exists (Envoy); a host that refuses it twice is asked without.
            expected = cas or (_NEVER if attempt == 0 else 0)
            try:
                host.set_shared_data(raw_key, new, expected)
            except CasMismatchError:
                attempt += 1
                if attempt == _ATTEMPTS:
                    raise
            else:
                return new

    def __getitem__(self, key: str | bytes) -> bytes:
        value, _ = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __setitem__(self, key: str | bytes, value: str | bytes) -> None:
        self.set(key, value)

    def __contains__(self, key: str | bytes) -> bool:
        return self.get(key)[0] is not None


shared_data = SharedData()


class SharedQueue:
    """A queue between VMs. Each item goes to one of those who dequeue."""

    __slots__ = ("name", "queue_id")

    def __init__(self, queue_id: int, name: str) -> None:
        self.queue_id = queue_id
        self.name = name

    @classmethod
    def register(cls, name: str) -> SharedQueue:
        """Make the queue, or open it.

        From now on this plugin's ``on_queue_ready`` hears of it. Call it in ``on_configure``.
        """
        return cls(host.register_shared_queue(name.encode()), name)

    @classmethod
    def resolve(cls, name: str, vm_id: str = "") -> SharedQueue:
        """Open a queue that another VM registered, under its VM id.

        Raises :class:`NotFoundError` if there is none.
        """
        queue_id = host.resolve_shared_queue(vm_id.encode(), name.encode())
        if queue_id is None:
            raise host_call_error("resolve_shared_queue", Status.NOT_FOUND)
        return cls(queue_id, name)

    def enqueue(self, value: str | bytes) -> None:
        """Add an item at the end."""
        host.enqueue_shared_queue(self.queue_id, to_bytes(value))

    def dequeue(self) -> bytes | None:
        """Take the first item; ``None`` if the queue is empty."""
        return host.dequeue_shared_queue(self.queue_id)

    def __iter__(self) -> Iterator[bytes]:
        """Take items until the queue is empty."""
        while (item := self.dequeue()) is not None:
            yield item

    def __repr__(self) -> str:
        return f"SharedQueue({self.queue_id}, {self.name!r})"
