"""Reading and rewriting WebAssembly: lossless on real modules, an error of its own kind on anything else."""

from __future__ import annotations

import contextlib
import itertools

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from leaksignal_wasm import runtime
from leaksignal_wasm.wasm import Export, Kind, Limits, Module, Segment, Signature, WasmFormatError, custom
from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.reader import Reader, signed, unsigned
from leaksignal_wasm.wasm.rewrite import (
    GAP,
    code_section,
    data_section,
    export_section,
    memory_section,
    nonzero_runs,
    replaced,
    without_bodies,
)

TEXT = """
(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (memory (export "memory") 2 9)
  (table (export "table") 2 funcref)
  (global $sp (mut i32) (i32.const 65536))
  (global $k i64 (i64.const -5))
  (elem (i32.const 0) $one $log)
  (func $one (export "one") (result i32) (i32.const 1))
  (func $two (export "two") (param f32 f64) (result i64) (i64.const 2))
  (data (i32.const 1024) "hello")
  (data (offset (i32.const 2048)) "world")
)
"""


@pytest.fixture(scope="module")
def binary() -> bytes:
    return bytes(wasmtime.wat2wasm(TEXT))


@pytest.fixture
def module(binary: bytes) -> Module:
    return Module.parse(binary)


def touch_everything(module: Module) -> None:
    for name in (
        "types",
        "imports",
        "functions",
        "memories",
        "globals",
        "exports",
        "start",
        "bodies",
        "data",
    ):
        getattr(module, name)
    _ = module.function_names
    _ = [section.name for section in module.sections]


def test_a_module_survives_the_round_trip_byte_for_byte(binary: bytes) -> None:
    assert Module.parse(binary).encode() == binary


def test_a_real_module_survives_the_round_trip_byte_for_byte() -> None:
    real = runtime.locate().path.read_bytes()
    module = Module.parse(real)
    touch_everything(module)
    assert module.encode() == real


def test_a_padded_section_size_survives_the_round_trip(binary: bytes) -> None:
    first = s.split(binary)[0]
    padded = s.MAGIC + s.CORE_VERSION + b"\x01" + unsigned(len(first.payload), 5) + first.payload
    assert Module.parse(padded).encode() == padded


def test_sections_are_read_as_values(module: Module) -> None:
    assert [(x.module, x.name) for x in module.imports] == [
        ("env", "proxy_log"),
        ("wasi_snapshot_preview1", "clock_time_get"),
    ]
    assert module.memories == [Limits(2, 9, 1)]
    assert [(x.type, x.mutable, x.initial) for x in module.globals] == [
        ("i32", True, 65536),
        ("i64", False, -5),
    ]
    assert Export("two", Kind.FUNCTION, 3) in module.exports
    assert module.signature(3) == Signature(("f32", "f64"), ("i64",))
    assert module.signature(0) == Signature(("i32", "i32", "i32"), ("i32",))
    assert module.data == [Segment(1024, b"hello"), Segment(2048, b"world")]
    assert module.function_names == {0: "log", 1: "clock", 2: "one", 3: "two"}


def test_a_rewritten_module_is_valid_and_does_what_it_says(module: Module) -> None:
    changes: dict[int, s.Section | None] = {
        s.MEMORY: memory_section(Limits(3, None)),
        s.EXPORT: export_section([x for x in module.exports if x.name != "two"]),
        s.CODE: code_section(without_bodies(module, {3})),
        s.DATA: data_section([Segment(70000, b"moved")]),
    }
    binary = s.join([*replaced(module, changes), custom("note", b"made here")])

    engine = wasmtime.Engine()
    compiled = wasmtime.Module(engine, binary)
    store = wasmtime.Store(engine)
    linker = wasmtime.Linker(engine)
    linker.define_unknown_imports_as_traps(compiled)
    exports = linker.instantiate(store, compiled).exports(store)

    assert {x.name for x in compiled.exports} == {"memory", "table", "one"}
    assert exports["one"](store) == 1  # type: ignore[operator]  # a function, as the text above says
    memory = exports["memory"]
    assert isinstance(memory, wasmtime.Memory)
    assert memory.size(store) == 3
    assert memory.read(store, 70000, 70005) == b"moved"
    assert Module.parse(binary).custom("note") == b"made here"


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (b"", "not WebAssembly"),
        (b"\x7fELF\x02\x01\x01\0", "not WebAssembly"),
        (b"\0asm", "version bytes missing"),
        (b"\0asm\x0d\0\x01\0", "component"),
        (b"\0asm\x02\0\0\0", "version bytes 02 00 00 00"),
        (b"\0asm\x01\0\0\0\x01\x05\0", "5 bytes announced, 1 left"),
        (b"\0asm\x01\0\0\0\x01\x01\0\x01\x01\0", "repeated or out of order"),
        (b"\0asm\x01\0\0\0\x03\x01\0\x01\x01\0", "repeated or out of order"),
        (b"\0asm\x01\0\0\0\x63\x01\0", "number 99 is unknown"),
        (b"\0asm\x01\0\0\0\0\x02\x02\xff", "2 bytes announced"),
        (b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\xff\x01", "longer than 32 bits"),
    ],
)
def test_what_is_no_core_module_is_refused_with_the_reason(bad: bytes, says: str) -> None:
    with pytest.raises(WasmFormatError, match=says):
        Module.parse(bad)


def test_every_truncation_is_refused_or_shorter(binary: bytes) -> None:
    for end in range(len(binary)):
        try:
            touch_everything(Module.parse(binary[:end]))
        except WasmFormatError:
            continue
        assert Module.parse(binary[:end]).encode() == binary[:end]


def test_a_vector_can_not_announce_more_than_is_there() -> None:
    huge = s.join([s.Section(s.FUNCTION, unsigned(0xFFFFFFFF))])
    with pytest.raises(WasmFormatError, match="4294967295 items announced, 0 bytes left"):
        _ = Module.parse(huge).functions


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(tail: bytes) -> None:
    for head in (b"", s.MAGIC + s.CORE_VERSION):
        try:
            touch_everything(Module.parse(head + tail))
        except WasmFormatError:
            continue


@given(identifier=st.sampled_from(s.ORDER), payload=st.binary(max_size=120))
@settings(max_examples=300)
def test_any_section_is_parsed_or_refused(identifier: int, payload: bytes) -> None:
    module = Module([s.Section(identifier, payload)])
    with contextlib.suppress(WasmFormatError):
        touch_everything(module)
    assert Module.parse(module.encode()).encode() == module.encode()


@given(st.data())
def test_a_damaged_module_is_parsed_or_refused(binary: bytes, data: st.DataObject) -> None:
    damaged = bytearray(binary)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(8, len(binary) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(WasmFormatError):
        touch_everything(Module.parse(bytes(damaged)))


@given(st.integers(0, 2**32 - 1), st.integers(0, 5))
def test_unsigned_numbers_survive(value: int, width: int) -> None:
    encoded = unsigned(value, width)
    assert len(encoded) >= width
    assert Reader(encoded).u32() == value


@given(st.integers(-(2**31), 2**31 - 1))
def test_signed_numbers_survive(value: int) -> None:
    assert Reader(signed(value)).s32() == value


@given(st.lists(st.tuples(st.integers(0, 3 * GAP), st.binary(max_size=40)), max_size=12))
def test_segments_and_zeros_make_the_memory_again(parts: list[tuple[int, bytes]]) -> None:
    memory = b"".join(bytes(gap) + content for gap, content in parts)
    rebuilt = bytearray(len(memory))
    runs = nonzero_runs(memory)
    for start, end in runs:
        rebuilt[start:end] = memory[start:end]
    assert rebuilt == memory
    assert all(a[1] + GAP <= b[0] for a, b in itertools.pairwise(runs))


def test_segments_beyond_two_gigabytes_keep_their_address() -> None:
    high = Module([data_section([Segment(0xFFFF0000, b"x")])])
    assert high.data[0].address == -0x10000
