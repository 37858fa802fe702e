"""Bodies that V8 leaves as they are, for a quick start.

Envoy has V8 optimise the whole module before the first request. Working that way, without a profile, V8 inlines at
each direct call in turn whatever fits a budget of twice the caller's own size or more, up to sixty functions into
one (`InliningTree::NoLiftoffBudget` and `kMaxInlinedCount` in its sources). C compilers have inlined what is worth
it by then. What V8 adds only multiplies its work: without it, a module of CPython takes less than half the time and
a tenth less memory to start, and runs no slower (docs/benchmarks.md).

No flag reaches V8 there, but the sixty can be used up: each body gets a call that is never run, to a function that
calls nothing but itself, twice. V8 inlines that into itself sixty times over, finds it all dead, and has no more to
give to the calls that follow. Other engines see a branch on a constant, and drop it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.reader import Reader, unsigned, vector
from leaksignal_wasm.wasm.rewrite import code_section
from leaksignal_wasm.wasm.types import Signature

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaksignal_wasm.wasm.module import Module

LEAST: Final = 32
"""Bytes. The budget of a smaller body does not last for sixty; there is little that could be inlined into it, too."""

_VOID: Final = Signature((), ())
_VOID_TYPE: Final = b"\x60\0\0"
_I32_CONST_0: Final = b"\x41\0"
_IF: Final = b"\x04\x40"
_CALL: Final = b"\x10"
_END: Final = b"\x0b"
_NO_LOCALS: Final = b"\0"


def without_inlining(module: Module, bodies: Sequence[bytes]) -> dict[int, s.Section]:
    """Encode the sections of `module` that change when its functions get these bodies, guarded against V8's inlining.

    One function is added behind all others, so no index changes.
    """
    types = list(module.types)
    changes: dict[int, s.Section] = {}
    if _VOID not in types:
        payload = module.reader(s.TYPE)
        payload.count(3)
        old = payload.take(payload.remaining)
        changes[s.TYPE] = s.Section(s.TYPE, unsigned(len(types) + 1) + old + _VOID_TYPE)
        types.append(_VOID)
    decoy = _CALL + unsigned(len(module.imported_functions) + len(bodies))
    guard = _I32_CONST_0 + _IF + decoy + _END
    functions = [*module.functions, types.index(_VOID)]
    changes[s.FUNCTION] = s.Section(s.FUNCTION, vector([unsigned(index) for index in functions]))
    guarded = [_after_locals(body, guard) if len(body) >= LEAST else body for body in bodies]
    changes[s.CODE] = code_section([*guarded, _NO_LOCALS + decoy + decoy + _END])
    return changes


def _after_locals(body: bytes, instructions: bytes) -> bytes:
    reader = Reader(body)
    for _ in range(reader.count()):
        reader.u32()
        reader.byte()  # a number, a vector or a reference: C's locals have one-byte types
    return body[: reader.position] + instructions + body[reader.position :]
