from __future__ import annotations

import struct

from tests.proxy_wasm_host.probe import MEMORY, Guest, Probe

from proxy_wasm_host import LogLevel
from proxy_wasm_host._abi import WASI_IMPORTS

BADF, NOTDIR, FAULT, INVAL, NOENT, NOSYS, NOTSUP = 8, 20, 21, 28, 44, 52, 58


def vectors(guest: Guest, *parts: bytes) -> tuple[int, int]:
    table = b"".join(struct.pack("<II", *guest.put(part)) for part in parts)
    return guest.put(table)[0], len(parts)


def in_configure(handler: object, **options: object) -> Probe:
    probe = Probe(configure=handler, **options)  # type: ignore[arg-type]
    probe.plugin()
    return probe


def test_output_is_logged_without_its_last_newline() -> None:
    def configure(guest: Guest, *_: int) -> None:
        out = guest.out()
        assert guest.call("fd_write", 1, *vectors(guest, b"one ", b"", b"two\n"), out) == 0
        assert guest.u32(out) == 8
        assert guest.call("fd_write", 2, *vectors(guest, b"bad\n\n"), out) == 0
        assert guest.call("fd_write", 1, *vectors(guest), out) == 0
        assert guest.call("fd_pwrite", 1, *vectors(guest, b"at"), 5, out) == 0
        assert guest.call("fd_write", 3, *vectors(guest, b"x"), out) == BADF
        assert guest.call("fd_write", 1, MEMORY - 4, 1, out) == FAULT
        assert guest.call("fd_write", 1, *vectors(guest, b"x"), MEMORY) == FAULT
        bad = guest.put(struct.pack("<II", MEMORY, 1))[0]
        assert guest.call("fd_write", 1, bad, 1, out) == FAULT

    lines = [(line.level, line.message) for line in in_configure(configure).host.logs]
    assert lines[:3] == [(LogLevel.INFO, "one two"), (LogLevel.ERROR, "bad\n"), (LogLevel.INFO, "at")]


def test_time() -> None:
    def configure(guest: Guest, *_: int) -> None:
        out = guest.out()
        assert guest.call("clock_time_get", 0, 1000, out) == 0
        assert guest.u64(out) == 1_700_000_000 * 10**9
        assert guest.call("clock_time_get", 1, 0, out) == 0
        assert guest.u64(out) > 0
        assert guest.call("clock_time_get", 2, 0, out) == NOTSUP
        assert guest.call("clock_time_get", 0, 0, MEMORY - 7) == FAULT
        assert guest.call("clock_res_get", 0, out) == 0
        assert guest.u64(out) == 1
        assert guest.call("clock_res_get", 3, out) == NOTSUP

    in_configure(configure)


def test_randomness_up_to_its_limit() -> None:
    def configure(guest: Guest, *_: int) -> None:
        assert guest.call("random_get", 100_000, 65536) == 0
        first = guest.memory.read(100_000, 65536)
        assert guest.call("random_get", 100_000, 65536) == 0
        assert first != guest.memory.read(100_000, 65536)
        assert guest.call("random_get", 100_000, 65537) == INVAL
        assert guest.call("random_get", MEMORY, 1) == FAULT
        assert guest.call("random_get", MEMORY, 0) == 0

    in_configure(configure)


def test_environment_variables() -> None:
    def configure(guest: Guest, *_: int) -> None:
        count, size = guest.out(), guest.out()
        assert guest.call("environ_sizes_get", count, size) == 0
        assert (guest.u32(count), guest.u32(size)) == (2, 4 + 6)
        array, buffer = guest.put(b"\0" * 8)[0], guest.put(b"\0" * 32)[0]
        assert guest.call("environ_get", array, buffer) == 0
        assert guest.memory.read(buffer, 10) == "A=b\0É=cd\0".encode()
        assert (guest.u32(array), guest.u32(array + 4)) == (buffer, buffer + 4)
        assert guest.call("environ_get", MEMORY, buffer) == FAULT
        assert guest.call("environ_sizes_get", count, MEMORY) == FAULT

    in_configure(configure, environment={"A": "b", "É": "cd"})


def test_there_are_no_arguments() -> None:
    def configure(guest: Guest, *_: int) -> None:
        count, size = guest.out(), guest.out()
        assert guest.call("args_sizes_get", count, size) == 0
        assert (guest.u32(count), guest.u32(size)) == (0, 0)
        assert guest.call("args_get", count, size) == 0

    in_configure(configure)


def test_everything_else_is_refused_as_in_envoy() -> None:
    expected = {
        "fd_read": NOSYS, "fd_seek": 0, "fd_close": 0, "fd_prestat_get": BADF, "fd_prestat_dir_name": NOSYS,
        "path_open": NOENT, "fd_filestat_get": BADF, "path_filestat_get": NOTSUP, "fd_fdstat_set_flags": NOSYS,
        "sched_yield": 0, "path_create_directory": NOTSUP, "path_rename": NOTSUP, "path_unlink_file": NOTSUP,
        "path_remove_directory": NOTSUP, "path_link": NOTSUP, "path_symlink": NOTSUP, "sock_shutdown": NOTSUP,
        "fd_advise": 0, "fd_allocate": BADF, "fd_sync": BADF, "fd_datasync": BADF, "fd_renumber": BADF,
        "fd_pread": NOSYS, "fd_tell": BADF, "fd_fdstat_get": BADF, "fd_filestat_set_size": BADF,
        "fd_filestat_set_times": BADF, "fd_fdstat_set_rights": BADF, "path_filestat_set_times": NOTSUP,
        "fd_readdir": NOTDIR, "path_readlink": NOTSUP, "sock_accept": NOTSUP, "sock_recv": NOTSUP,
        "sock_send": NOTSUP, "poll_oneoff": 0,
    }  # fmt: skip

    def configure(guest: Guest, *_: int) -> None:
        for name, errno in expected.items():
            count = len(WASI_IMPORTS[name].partition(":")[0])
            assert guest.call(name, *[0] * count) == errno, name
        for name in ("fd_sync", "fd_datasync"):
            assert guest.call(name, 1) == 0
        out = guest.put(b"\xff" * 24)[0]
        assert guest.call("fd_fdstat_get", 1, out) == 0
        assert guest.memory.read(out, 24) == struct.pack("<QQQ", 0, 64, 0)
        assert guest.call("fd_fdstat_get", 1, MEMORY) == FAULT
        assert guest.call("fd_renumber", 1, 2) == NOTSUP
        guest.vm.export("call.proc_exit")(0)

    messages = in_configure(configure).host.messages()
    assert messages == ["wasi_unstable fd_seek", "wasi_unstable fd_close", "wasi_unstable proc_exit"]
    tested = {
        "fd_write", "fd_pwrite", "clock_time_get", "clock_res_get", "random_get", "environ_get", "environ_sizes_get",
        "args_get", "args_sizes_get", "proc_exit",
    }  # fmt: skip
    assert expected.keys() | tested == WASI_IMPORTS.keys()
