"""What can't be loaded says why, and leaves the host as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wasmtime
from tests.proxy_wasm_host.probe import GET, wat

from proxy_wasm_host import (
    AbiVersion,
    AbiVersionError,
    ComponentError,
    ExportMismatchError,
    FailurePolicy,
    Host,
    ImportMismatchError,
    Module,
    ModuleError,
    ModuleTrapped,
    NotWasmError,
    ProxyWasmHostError,
    cache_folder,
)

if TYPE_CHECKING:
    from pathlib import Path

HEAD = """(memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))"""
GOOD = f"(module {HEAD})"
# As WASI has it; Envoy declares it with a parameter too few.
PATH_LINK = """(import "wasi_snapshot_preview1" "path_link"
  (func (param i32 i32 i32 i32 i32 i32 i32) (result i32)))"""


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", NotWasmError, "it is empty"),
        (b"#!/bin/sh\n", NotWasmError, r"begins with b'#!/bin/s'"),
        (b"\0asm", NotWasmError, "truncated"),
        (b"\0asm\2\0\0\0", NotWasmError, "unknown wasm version 02000000"),
        (b"\0asm\x0d\0\1\0", ComponentError, "component"),
        (bytes(wasmtime.wat2wasm(GOOD))[:-5], NotWasmError, "not a valid wasm module"),
        (b"\0asm\1\0\0\0\1\xff", NotWasmError, "not a valid wasm module"),
        (b"\0asm\1\0\0\0", AbiVersionError, "no Proxy-Wasm ABI version"),
    ],
)
def test_bytes_that_are_no_module(data: bytes, error: type[ModuleError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        Module.load(data, name="bad.wasm", cache=False)
    assert caught.value.where == "bad.wasm"
    assert caught.value.remedy
    assert isinstance(caught.value, ProxyWasmHostError)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (
            '(module (func (export "proxy_abi_version_9_9_9")))',
            AbiVersionError,
            "unknown ABI version: .*9_9_9",
        ),
        (
            f'(module (import "env" "proxy_nothing" (func)) {HEAD})',
            ImportMismatchError,
            "env.proxy_nothing: no such",
        ),
        (
            f'(module (import "env" "proxy_log" (func (param i64))) {HEAD})',
            ImportMismatchError,
            r"env.proxy_log: wants \(i64\), hosts offer \(i32, i32, i32\) -> i32",
        ),
        (f'(module (import "env" "x" (global i32)) {HEAD})', ImportMismatchError, "env.x: not a function"),
        (f'(module (import "wasi" "fd_write" (func)) {HEAD})', ImportMismatchError, "wasi.fd_write"),
        (
            f'(module (import "env" "proxy_continue_request" (func (result i32))) {HEAD})',
            ImportMismatchError,
            "no such function for ABI 0.2.1",
        ),
        (
            f"(module {PATH_LINK} {HEAD})",
            ImportMismatchError,
            "path_link",
        ),
        (
            f'(module {HEAD} (func (export "proxy_on_tick") (result i32) (i32.const 0)))',
            ExportMismatchError,
            r"proxy_on_tick: has \(\) -> i32, hosts call \(i32\)",
        ),
        ('(module (func (export "proxy_abi_version_0_2_1")))', ExportMismatchError, "no memory"),
        (
            '(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))',
            ExportMismatchError,
            "neither proxy_on_memory_allocate nor malloc",
        ),
    ],
)
def test_modules_that_do_not_fit(text: str, error: type[ModuleError], says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        Module.from_wat(text)
    assert caught.value.remedy


def test_wasm_text_that_is_none() -> None:
    with pytest.raises(NotWasmError, match="wasm text"):
        Module.from_wat("(module")


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Module.load(tmp_path / "none.wasm")


@pytest.mark.parametrize("abi", AbiVersion)
def test_every_abi_version_loads(abi: AbiVersion) -> None:
    module = Module.from_wat(wat(abi))
    assert module.abi is abi
    assert str(abi) in ("0.1.0", "0.2.0", "0.2.1")
    with Host() as host, host.vm(module).plugin().http_stream() as stream:
        stream.request(GET)


def test_the_newest_of_several_versions_counts() -> None:
    # As the first that Envoy finds; SDKs export one.
    text = f'(module {HEAD} (func (export "proxy_abi_version_0_1_0")))'
    assert Module.from_wat(text).abi in AbiVersion


def test_initialize_and_main_run_before_anything_else() -> None:
    text = f"""(module (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32))) {HEAD}
      (data (i32.const 0) "im")
      (func (export "_initialize") (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
      (func (export "main") (param i32 i32) (result i32) (call $log (i32.const 2) (i32.const 1) (i32.const 1)))
      (func (export "_start") unreachable))"""
    host = Host()
    host.vm(Module.from_wat(text))
    assert host.messages() == ["i", "m"]


def test_start_runs_where_there_is_no_initialize() -> None:
    text = f"""(module (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32))) {HEAD}
      (data (i32.const 0) "s")
      (func (export "_start") (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1)))))"""
    host = Host()
    host.vm(Module.from_wat(text))
    assert host.messages() == ["s"]


def test_most_host_calls_are_refused_at_the_start_as_in_envoy() -> None:
    text = f"""(module (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
      {HEAD} (func (export "_initialize") (drop (call $tick (i32.const 1)))))"""
    module = Module.from_wat(text)
    with pytest.raises(ModuleTrapped, match="can't be called before proxy_on_vm_start"):
        Host().vm(module)
    Host(quirks=False).vm(module)


def test_a_trap_at_the_start_leaves_the_host_usable() -> None:
    module = Module.from_wat(f'(module {HEAD} (func $broken (export "_initialize") unreachable))')
    host = Host()
    with pytest.raises(ModuleTrapped, match=r"_initialize.*unreachable") as caught:
        host.vm(module, failure_policy=FailurePolicy.FAIL_OPEN)
    assert caught.value.callback == "_initialize"
    assert any("broken" in line for line in caught.value.backtrace)
    assert host.vms == []
    host.vm(Module.from_wat(GOOD)).plugin().http_stream().request(GET)


def test_compiled_modules_are_kept_and_damage_is_noticed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    code = bytes(wasmtime.wat2wasm(GOOD))
    Module.load(code)
    (kept,) = cache_folder().glob("*.cwasm")
    first = kept.read_bytes()
    Module.load(code)
    kept.write_bytes(first[: len(first) // 2])
    Module.load(code)
    assert kept.read_bytes() == first
    kept.with_suffix(".sha256").unlink()
    Module.load(code)
    assert kept.with_suffix(".sha256").exists()


def test_without_a_place_for_the_cache_modules_load_all_the_same(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert Module.load(bytes(wasmtime.wat2wasm(GOOD))).abi is AbiVersion.V0_2_1
