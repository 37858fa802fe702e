"""Bodies guarded against V8's inlining do what they did: the call in front of them never happens."""

from __future__ import annotations

import pytest
import wasmtime

from leaksignal_wasm.wasm import Module, Signature
from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.inlining import LEAST, without_inlining
from leaksignal_wasm.wasm.rewrite import replaced

WITHOUT_VOID = """
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (func $sum (export "sum") (param $n i32) (result i32)
    (local $total i32) (local i64 f64 v128)
    (loop $again
      (local.set $total (i32.add (local.get $total) (call $twice (local.get $n))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $total))
  (func $small (export "small") (result i32) (i32.const 7))
"""
WITH_VOID = WITHOUT_VOID + "(func $nothing)"


def parse(text: str) -> Module:
    return Module.parse(bytes(wasmtime.wat2wasm(f"(module {text})")))


def guard(module: Module) -> Module:
    return Module.parse(s.join(replaced(module, dict(without_inlining(module, module.bodies)))))


@pytest.mark.parametrize("text", [WITHOUT_VOID, WITH_VOID])
def test_guarded_functions_do_what_they_did(text: str) -> None:
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    i32 = wasmtime.ValType.i32()
    twice = wasmtime.Func(store, wasmtime.FuncType([i32], [i32]), lambda number: 2 * number)
    module = wasmtime.Module(engine, s.join(guard(parse(text)).sections))
    exports = wasmtime.Instance(store, module, [twice]).exports(store)
    sums, small = exports["sum"], exports["small"]
    assert isinstance(sums, wasmtime.Func)
    assert isinstance(small, wasmtime.Func)
    assert sums(store, 10) == 110
    assert small(store) == 7


@pytest.mark.parametrize("text", [WITHOUT_VOID, WITH_VOID])
def test_one_function_comes_behind_all_others_and_calls_itself_twice(text: str) -> None:
    before, after = parse(text), guard(parse(text))
    added = 1 + len(before.bodies)  # one import
    assert after.functions[:-1] == before.functions
    assert after.signature(added) == Signature((), ())
    assert after.bodies[-1] == bytes([0, 0x10, added, 0x10, added, 0x0B])
    assert after.exports == before.exports


def test_small_bodies_stay_as_they_are() -> None:
    before, after = parse(WITH_VOID), guard(parse(WITH_VOID))
    for old, new in zip(before.bodies, after.bodies, strict=False):
        assert (new == old) == (len(old) < LEAST)
