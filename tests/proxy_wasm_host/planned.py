"""A module that does what a request's `x-plan` says, one letter a callback, and logs each callback.

c continue, p pause, t pause and continue with the next tick, s pause and answer 403 with the next tick, n drop
(StopIterationNoBuffer), w hold but don't count (StopIterationAndWatermark), l answer 403, k answer 403 and pause,
x close the stream, u replace the body by "U", b trap.

After the last letter everything continues. It runs in the host and in Envoy alike.
"""

from __future__ import annotations

import re

TICK_MS = 60
# Name, parameters of the ABI, stream type for continue and close, buffer.
HTTP = [
    ("request_headers", 3, 0, None), ("request_body", 3, 0, 0), ("request_trailers", 2, 0, None),
    ("response_headers", 3, 1, None), ("response_body", 3, 1, 1), ("response_trailers", 2, 1, None),
]  # fmt: skip
TCP = [("new_connection", 1, 2, None), ("downstream_data", 3, 2, 2), ("upstream_data", 3, 3, 3)]
FROM_HEADER = """(global.set $pos (i32.const 0))
  (if (call $get (i32.const 0) (i32.const 16) (i32.const 6) (i32.const 0) (i32.const 4))
    (then (i32.store (i32.const 4) (i32.const 0))))"""
FROM_CONFIGURATION = (
    "(drop (call $read (i32.const 7) (i32.const 0) (i32.const -1) (i32.const 0) (i32.const 4)))"
)
KEEP = """(memory.copy (i32.const 128) (i32.load (i32.const 0)) (i32.load (i32.const 4)))
  (global.set $len (i32.load (i32.const 4)))"""


def planned_wat(*, tcp: bool = False) -> str:
    """Return the module's text; for TCP the plan is the plugin's configuration, and closes are noted too."""
    functions = []
    data = []
    for index, (name, count, stream, buffer) in enumerate(TCP if tcp else HTTP):
        address = 512 + 32 * index
        data.append(f'(data (i32.const {address}) "{name:<18}")')
        size = "(local.get 1)" if count > 1 else "(i32.const 0)"
        end = "(local.get 2)" if count == 3 else f"(i32.const {int(count == 2)})"
        functions.append(
            f"""(func (export "proxy_on_{name}") (param {"i32 " * count}) (result i32)
              {FROM_HEADER + KEEP if name == "request_headers" else ""}
              (call $act (i32.const {address}) (local.get 0) {size} {end} (i32.const {stream})
                (i32.const {-1 if buffer is None else buffer})))"""
        )
    for index, side in enumerate(("downstream", "upstream")) if tcp else ():
        address = 768 + 32 * index
        data.append(f'(data (i32.const {address}) "{side:<10} closed ")')
        functions.append(
            f"""(func (export "proxy_on_{side}_connection_close") (param i32 i32)
              (i32.store8 (i32.const {address + 18}) (i32.add (i32.const 48) (local.get 1)))
              (drop (call $log (i32.const 2) (i32.const {address}) (i32.const 19))))"""
        )
    return f"""(module
      (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
      (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
      (import "env" "proxy_set_effective_context" (func $effective (param i32) (result i32)))
      (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
      (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
      (import "env" "proxy_get_buffer_bytes" (func $read (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_set_buffer_bytes" (func $set (param i32 i32 i32 i32 i32) (result i32)))
      (import "env" "proxy_send_local_response" (func $local (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 2) (data (i32.const 16) "x-plan") (data (i32.const 32) "U") (data (i32.const 40) "no")
      (data (i32.const 48) "tick") {" ".join(data)}
      (global $pos (mut i32) (i32.const 0)) (global $len (mut i32) (i32.const 0))
      (global $todo (mut i32) (i32.const 0)) (global $context (mut i32) (i32.const 0))
      (global $side (mut i32) (i32.const 0))
      (func (export "proxy_abi_version_0_2_1"))
      (func (export "malloc") (param i32) (result i32) (i32.const 65536))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        {FROM_CONFIGURATION + KEEP if tcp else ""} (drop (call $tick (i32.const {TICK_MS}))) (i32.const 1))
      (func $answer (drop (call $local (i32.const 403) (i32.const 0) (i32.const 0) (i32.const 40) (i32.const 2)
        (i32.const 0) (i32.const 0) (i32.const -1))))
      (func (export "proxy_on_tick") (param i32) (local $todo i32)
        (local.set $todo (global.get $todo))
        (if (i32.eqz (local.get $todo)) (then (return)))
        (global.set $todo (i32.const 0))
        (drop (call $log (i32.const 2) (i32.const 48) (i32.const 4)))
        (if (call $effective (global.get $context)) (then (return)))
        (if (i32.eq (local.get $todo) (i32.const 1)) (then (drop (call $continue (global.get $side))))
          (else (call $answer))))
      (func $act (param $label i32) (param $context i32) (param $size i32) (param $end i32) (param $side i32)
          (param $buffer i32) (result i32) (local $letter i32)
        (local.set $letter (i32.const 99))
        (if (i32.lt_u (global.get $pos) (global.get $len)) (then
          (local.set $letter (i32.load8_u (i32.add (i32.const 128) (global.get $pos))))
          (global.set $pos (i32.add (global.get $pos) (i32.const 1)))))
        (memory.copy (i32.const 1024) (local.get $label) (i32.const 18))
        (if (i32.lt_s (local.get $buffer) (i32.const 0)) (then (local.set $size (i32.const 0))))
        (i32.store8 (i32.const 1042) (i32.add (i32.const 48) (i32.div_u (local.get $size) (i32.const 10))))
        (i32.store8 (i32.const 1043) (i32.add (i32.const 48) (i32.rem_u (local.get $size) (i32.const 10))))
        (i32.store8 (i32.const 1044) (i32.const 32))
        (i32.store8 (i32.const 1045) (i32.add (i32.const 48) (local.get $end)))
        (i32.store8 (i32.const 1046) (i32.const 32))
        (i32.store8 (i32.const 1047) (local.get $letter))
        (drop (call $log (i32.const 2) (i32.const 1024) (i32.const 24)))
        (if (i32.or (i32.eq (local.get $letter) (i32.const 116)) (i32.eq (local.get $letter) (i32.const 115))) (then
          (global.set $context (local.get $context)) (global.set $side (local.get $side))
          (global.set $todo (select (i32.const 1) (i32.const 2) (i32.eq (local.get $letter) (i32.const 116))))
          (return (i32.const 1))))
        (if (i32.eq (local.get $letter) (i32.const 98)) (then (unreachable)))
        (if (i32.eq (local.get $letter) (i32.const 112)) (then (return (i32.const 1))))
        (if (i32.eq (local.get $letter) (i32.const 110)) (then (return (i32.const 3))))
        (if (i32.eq (local.get $letter) (i32.const 119)) (then (return (i32.const 2))))
        (if (i32.eq (local.get $letter) (i32.const 120)) (then (drop (call $close (local.get $side)))))
        (if (i32.eq (local.get $letter) (i32.const 117)) (then
          (drop (call $set (local.get $buffer) (i32.const 0) (i32.const -1) (i32.const 32) (i32.const 1)))))
        (if (i32.eq (local.get $letter) (i32.const 108)) (then (call $answer)))
        (if (i32.eq (local.get $letter) (i32.const 107)) (then (call $answer) (return (i32.const 1))))
        (i32.const 0))
      {" ".join(functions)})"""


def note(message: str) -> str | None:
    """Return what a log line says of a callback, None for other lines."""
    found = re.search(
        r"(tick|\w+ +closed +\d|(?:request_|response_|new_|downstream_|upstream_)\w+ +\d\d \d \w)$", message
    )
    return None if found is None else re.sub(" +", " ", found[1])
