"""Bodies and TCP data by range (v0.2.1, "Buffers").

A body is the host's buffer of the stream that is effective: while the stream is paused it holds everything
buffered so far, else the chunk of the running callback. ``body_size`` is a hint: hosts may hold more
(envoyproxy/envoy#36227), so read with the default, which is "all there is".
"""

from __future__ import annotations

from proxy_wasm._abi import MAX_SIZE, host
from proxy_wasm._errors import BadArgumentError, host_call_error
from proxy_wasm._types import Status

_NOT_FOUND = int(Status.NOT_FOUND)


class Body:
    """One buffer. Raises :class:`NotFoundError` where the host has no such buffer in this callback."""

    __slots__ = ("_buffer",)

    def __init__(self, buffer: int) -> None:
        self._buffer = int(buffer)

    def read(self, start: int = 0, size: int = MAX_SIZE) -> bytes:
        """Up to ``size`` bytes from ``start`` on; fewer, or none, where the buffer ends."""
        if start < 0 or size < 0:
            raise ValueError(
                f"read({start}, {size}): start and size count bytes from the beginning; "
                f"use body[-n:] for the end"
            )
        data = host.get_buffer_bytes(self._buffer, start, min(size, MAX_SIZE - start))
        if data is None:
            raise host_call_error("get_buffer_bytes", _NOT_FOUND)
        return data

    @property
    def size(self) -> int:
        """Bytes in the buffer now."""
        status = host.get_buffer_status(self._buffer)
        if status is None:
            raise host_call_error("get_buffer_status", _NOT_FOUND)
        return status[0]

    def replace(self, data: bytes, start: int = 0, size: int = MAX_SIZE) -> None:
        """Put ``data`` in the place of ``size`` bytes from ``start`` on; by default of all.

        Envoy can only replace from the start of a buffer and append at its end; anywhere else the body is
        read, changed and written whole. A changed body needs its ``content-length`` removed in the headers
        callback, before it is gone.
        """
        try:
            host.set_buffer_bytes(self._buffer, start, size, data)
        except BadArgumentError:
            whole = self.read()
            if (start == 0 and size in {0, MAX_SIZE}) or start >= len(whole):
                raise
            rest = whole[start + size :] if size < MAX_SIZE else b""
            host.set_buffer_bytes(self._buffer, 0, MAX_SIZE, whole[:start] + data + rest)

    def append(self, data: bytes) -> None:
        """Put ``data`` at the end."""
        if data:
            host.set_buffer_bytes(self._buffer, MAX_SIZE, 0, data)

    def prepend(self, data: bytes) -> None:
        """Put ``data`` at the beginning."""
        if data:
            host.set_buffer_bytes(self._buffer, 0, 0, data)

    def clear(self) -> None:
        """Drop everything."""
        host.set_buffer_bytes(self._buffer, 0, MAX_SIZE, b"")

    def __getitem__(self, where: slice) -> bytes:
        start, size = self._range(where)
        return self.read(start, size)

    def __setitem__(self, where: slice, data: bytes) -> None:
        start, size = self._range(where)
        self.replace(data, start, size)

    def _range(self, where: object) -> tuple[int, int]:
        if not isinstance(where, slice) or where.step not in {None, 1}:
            raise TypeError(f"body[{where!r}]: only slices without a step, body[0:100]")
        start, stop = where.start or 0, where.stop
        if start < 0 or (stop is not None and stop < 0):
            start, stop, _ = where.indices(self.size)
        if stop is None:
            return start, MAX_SIZE
        return start, max(0, stop - start)

    def __len__(self) -> int:
        return self.size

    def __bytes__(self) -> bytes:
        return self.read()
