"""A body buffer: chunks in, ranges out, edited in place by the guest."""

from __future__ import annotations

from proxy_wasm_host._abi import Status
from proxy_wasm_host.errors import HostCallFailed


class Body:
    """Bytes on their way, as one mutable run.

    `strict` follows the specification for edits (any range can be replaced); otherwise Envoy's rules hold:
    prepend (`start` 0, `size` 0), replace all (`start` 0, `size` at least the length) and append (`start` at
    least the length), and BAD_ARGUMENT for everything else.
    """

    __slots__ = ("data", "strict")

    def __init__(self, data: bytes = b"", *, strict: bool = False) -> None:
        self.data = data
        self.strict = strict

    def __len__(self) -> int:
        return len(self.data)

    def append(self, data: bytes) -> None:
        """Add `data` at the end."""
        self.data = self.data + data if self.data else data

    def take(self) -> bytes:
        """Return everything and leave nothing."""
        data, self.data = self.data, b""
        return data

    def edit(self, start: int, size: int, value: bytes) -> None:
        """Replace `size` bytes at `start` by `value`."""
        data = self.data
        if start == 0 and size == 0:
            self.data = value + data
        elif start == 0 and size >= len(data):
            self.data = value
        elif start >= len(data):
            self.data = data + value
        elif self.strict:
            self.data = data[:start] + value + data[start + size :]
        else:
            raise HostCallFailed(Status.BAD_ARGUMENT)
