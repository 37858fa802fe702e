"""A module's linear memory, read and written without a detour.

The engine reserves the whole address range of a 32-bit memory, so its base never moves and its size only
grows: what was within bounds once stays so, and only an access beyond the known size has to ask again.
"""

from __future__ import annotations

import ctypes
import struct
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import Status
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    import wasmtime

_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Memory:
    """Bounds-checked access; what lies outside is INVALID_MEMORY_ACCESS."""

    def __init__(self, memory: wasmtime.Memory, store: wasmtime.Store) -> None:
        self._memory = memory
        self._store = store
        self._base = 0
        self._size = 0
        self._view = memoryview(b"")
        self._refresh()

    def _refresh(self) -> bool:
        """Learn the present size; return whether it has changed."""
        size = self._memory.data_len(self._store)
        base = ctypes.addressof(self._memory.data_ptr(self._store).contents)
        if size == self._size and base == self._base:
            return False
        self._base, self._size = base, size
        self._view = memoryview((ctypes.c_ubyte * size).from_address(base)).cast("B")
        return True

    def _check(self, address: int, size: int) -> None:
        if address + size > self._size and (not self._refresh() or address + size > self._size):
            raise HostCallFailed(Status.INVALID_MEMORY_ACCESS)

    def read(self, address: int, size: int) -> bytes:
        """Return `size` bytes at `address`."""
        if address + size > self._size:
            self._check(address, size)
        return ctypes.string_at(self._base + address, size)

    def write(self, address: int, data: bytes) -> None:
        """Put `data` at `address`."""
        end = address + len(data)
        if end > self._size:
            self._check(address, len(data))
        self._view[address:end] = data

    def write_u32(self, address: int, value: int) -> None:
        """Put a 32-bit number at `address`."""
        if address + 4 > self._size:
            self._check(address, 4)
        _U32.pack_into(self._view, address, value)

    def write_u64(self, address: int, value: int) -> None:
        """Put a 64-bit number at `address`."""
        if address + 8 > self._size:
            self._check(address, 8)
        _U64.pack_into(self._view, address, value)

    def release(self) -> None:
        """Forget the address: the memory is about to go."""
        self._view = memoryview(b"")
        self._base = self._size = 0

    @property
    def size(self) -> int:
        """Return the bytes the memory has now."""
        self._refresh()
        return self._size
