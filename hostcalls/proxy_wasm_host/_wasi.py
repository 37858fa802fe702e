"""The WASI functions Envoy offers, as they answer there: output, time, randomness, environment only.

Errors are WASI's `errno`. Fixed answers stand in one table; the rest are methods.
"""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING, Final

from proxy_wasm_host._abi import MAX_RANDOM_BYTES, LogLevel
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_wasm_host._memory import Memory
    from proxy_wasm_host._vm import Vm

SUCCESS: Final = 0
BADF: Final = 8
FAULT: Final = 21
INVAL: Final = 28
NOENT: Final = 44
NOSYS: Final = 52
NOTDIR: Final = 20
NOTSUP: Final = 58
NOTCAPABLE: Final = 76

_STDOUT: Final = 1
_STDERR: Final = 2
_RIGHTS_FD_WRITE: Final = 64
_FIXED: Final = {
    "args_get": SUCCESS,
    "fd_advise": SUCCESS,
    "fd_fdstat_set_flags": NOSYS,
    "fd_filestat_get": BADF,
    "fd_pread": NOSYS,
    "fd_prestat_dir_name": NOSYS,
    "fd_prestat_get": BADF,
    "fd_read": NOSYS,
    "path_create_directory": NOTSUP,
    "path_filestat_get": NOTSUP,
    "path_filestat_set_times": NOTSUP,
    "path_link": NOTSUP,
    "path_open": NOENT,
    "path_remove_directory": NOTSUP,
    "path_rename": NOTSUP,
    "path_symlink": NOTSUP,
    "path_unlink_file": NOTSUP,
    "sched_yield": SUCCESS,
    "sock_shutdown": NOTSUP,
}
_OUTPUT_ONLY: Final = [
    "fd_allocate",
    "fd_datasync",
    "fd_fdstat_set_rights",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_sync",
]


class Wasi:
    """WASI for one VM."""

    def __init__(self, vm: Vm, memory: Callable[[], Memory]) -> None:
        self._vm = vm
        self._memory = memory

    def functions(self) -> dict[str, Callable[..., int | None]]:
        """Return every function by name; each answers an errno, bad pointers included."""
        table: dict[str, Callable[..., int | None]] = {
            name: (lambda *_arguments, answer=answer: answer) for name, answer in _FIXED.items()
        }
        table.update(dict.fromkeys(_OUTPUT_ONLY, self._on_output))
        for name in [
            "args_sizes_get",
            "clock_res_get",
            "clock_time_get",
            "environ_get",
            "environ_sizes_get",
            "fd_close",
            "fd_fdstat_get",
            "fd_pwrite",
            "fd_readdir",
            "fd_renumber",
            "fd_seek",
            "fd_tell",
            "fd_write",
            "path_readlink",
            "poll_oneoff",
            "proc_exit",
            "random_get",
            "sock_accept",
            "sock_recv",
            "sock_send",
        ]:
            table[name] = _guarded(getattr(self, name))
        return table

    def _on_output(self, fd: int, *_arguments: int) -> int:
        return SUCCESS if fd in (_STDOUT, _STDERR) else BADF

    def _error_line(self, text: bytes) -> None:
        # Envoy traces these lines; they cost nothing there and help here.
        self._vm.host.log_line(self._vm.current, LogLevel.TRACE, text)

    # Output.

    def fd_write(self, fd: int, vectors: int, count: int, written: int) -> int:
        """Log what is written: standard output as info, standard error as error, without the last newline."""
        if fd not in (_STDOUT, _STDERR):
            return BADF
        memory = self._memory()
        parts: list[bytes] = []
        for index in range(count):
            address, size = struct.unpack("<II", memory.read(vectors + 8 * index, 8))
            if size:
                parts.append(memory.read(address, size))
        text = b"".join(parts)
        if text:
            level = LogLevel.INFO if fd == _STDOUT else LogLevel.ERROR
            self._vm.host_calls.log(level, text.removesuffix(b"\n"))
        memory.write_u32(written, len(text))
        return SUCCESS

    def fd_pwrite(self, fd: int, vectors: int, count: int, _offset: int, written: int) -> int:
        """Log as `fd_write` does."""
        return self.fd_write(fd, vectors, count, written)

    def fd_fdstat_get(self, fd: int, result: int) -> int:
        """Say that standard output and error can be written."""
        if fd not in (_STDOUT, _STDERR):
            return BADF
        self._memory().write(result, struct.pack("<QQQ", 0, _RIGHTS_FD_WRITE, 0))
        return SUCCESS

    def fd_close(self, _fd: int) -> int:
        """Do nothing but say so."""
        self._error_line(b"wasi_unstable fd_close")
        return SUCCESS

    def fd_seek(self, _fd: int, _offset: int, _whence: int, _result: int) -> int:
        """Do nothing but say so."""
        self._error_line(b"wasi_unstable fd_seek")
        return SUCCESS

    def fd_tell(self, fd: int, result: int) -> int:
        """Return the position 0."""
        if fd not in (_STDOUT, _STDERR):
            return BADF
        self._memory().write_u64(result, 0)
        return SUCCESS

    def fd_readdir(self, _fd: int, _buffer: int, _size: int, _cookie: int, used: int) -> int:
        """Say that nothing is a directory."""
        self._memory().write_u32(used, 0)
        return NOTDIR

    def fd_renumber(self, fd: int, to: int) -> int:
        """Refuse."""
        return NOTSUP if {fd, to} <= {_STDOUT, _STDERR} else BADF

    def path_readlink(self, _fd: int, _path: int, _length: int, _buffer: int, _size: int, used: int) -> int:
        """Refuse."""
        self._memory().write_u32(used, 0)
        return NOTSUP

    def sock_accept(self, _fd: int, _flags: int, result: int) -> int:
        """Refuse."""
        self._memory().write_u64(result, 0)
        return NOTSUP

    def sock_recv(self, _fd: int, _data: int, _count: int, _flags: int, size: int, flags: int) -> int:
        """Refuse."""
        self._memory().write_u32(size, 0)
        self._memory().write(flags, b"\0\0")
        return NOTSUP

    def sock_send(self, _fd: int, _data: int, _count: int, _flags: int, size: int) -> int:
        """Refuse."""
        self._memory().write_u32(size, 0)
        return NOTSUP

    def poll_oneoff(self, _subscriptions: int, _events: int, _count: int, result: int) -> int:
        """Return no events."""
        self._memory().write_u32(result, 0)
        return SUCCESS

    def proc_exit(self, _code: int) -> None:
        """Do nothing but say so; the module goes on and usually traps."""
        self._error_line(b"wasi_unstable proc_exit")

    # Input.

    def args_sizes_get(self, count: int, size: int) -> int:
        """Say that there are no arguments."""
        self._memory().write_u32(count, 0)
        self._memory().write_u32(size, 0)
        return SUCCESS

    def environ_sizes_get(self, count: int, size: int) -> int:
        """Return how many variables there are, and their bytes."""
        entries = self._entries()
        self._memory().write_u32(count, len(entries))
        self._memory().write_u32(size, sum(map(len, entries)))
        return SUCCESS

    def environ_get(self, array: int, buffer: int) -> int:
        """Write the variables."""
        memory = self._memory()
        for entry in self._entries():
            memory.write_u32(array, buffer)
            memory.write(buffer, entry)
            array += 4
            buffer += len(entry)
        return SUCCESS

    def _entries(self) -> list[bytes]:
        return [f"{name}={value}".encode() + b"\0" for name, value in self._vm.environment.items()]

    def clock_time_get(self, clock: int, _precision: int, result: int) -> int:
        """Return the time of the realtime (0) or monotonic (1) clock."""
        if clock not in (0, 1):
            return NOTSUP
        source = self._vm.host.clock
        self._memory().write_u64(result, source.monotonic() if clock else source.realtime())
        return SUCCESS

    def clock_res_get(self, clock: int, result: int) -> int:
        """Return one nanosecond."""
        if clock not in (0, 1):
            return NOTSUP
        self._memory().write_u64(result, 1)
        return SUCCESS

    def random_get(self, buffer: int, size: int) -> int:
        """Return random bytes, at most 64 KiB at a time."""
        if size > MAX_RANDOM_BYTES:
            return INVAL
        if size:
            self._memory().write(buffer, secrets.token_bytes(size))
        return SUCCESS


def _guarded(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Answer FAULT where a pointer is bad."""

    def guarded(*arguments: int) -> int | None:
        try:
            return function(*arguments)
        except HostCallFailed:
            return FAULT

    return guarded
