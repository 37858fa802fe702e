"""Random data and steps: ours and Python's zlib read each other and agree on every step."""

from __future__ import annotations

import importlib.util
import os
import zlib
from functools import cache
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.re2.native import built

if TYPE_CHECKING:
    from types import ModuleType

MORE = settings(max_examples=int(os.environ.get("EXAMPLES", "100")), deadline=None)
WBITS = st.sampled_from([9, 15, -9, -15, 25, 31])
DATA = st.one_of(
    st.binary(max_size=300),
    st.tuples(st.binary(min_size=1, max_size=20), st.integers(1, 2000)).map(
        lambda parts: parts[0] * parts[1]
    ),
)


@cache
def ours() -> ModuleType:
    """Our module under its own name beside Python's, which keeps its place in sys.modules."""
    spec = importlib.util.spec_from_file_location("zlib", built("zlib"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@MORE
@given(DATA, WBITS, st.integers(-1, 9))
def test_each_reads_the_other(data: bytes, wbits: int, level: int) -> None:
    assert zlib.decompress(ours().compress(data, level, wbits), wbits) == data
    assert ours().decompress(zlib.compress(data, level, wbits), wbits) == data
    assert ours().crc32(data) == zlib.crc32(data)
    assert ours().adler32(data, 7) == zlib.adler32(data, 7)


def steps(module: Any, stream: bytes, wbits: int, cuts: list[tuple[int, int]]) -> list[Any]:
    """Feed a stream piece by piece, each with its max_length; tell all that can be seen."""
    unpacker = module.decompressobj(wbits)
    seen: list[Any] = []
    at = 0
    try:
        for size, limit in [*cuts, (len(stream), 0)]:
            piece, at = stream[at : at + size], at + size
            seen.append(unpacker.decompress(unpacker.unconsumed_tail + piece, limit))
            seen.append((unpacker.eof, unpacker.unused_data, unpacker.unconsumed_tail))
        seen.append(unpacker.flush())
    except module.error as error:
        seen.append(str(error))
    return seen


@MORE
@given(
    DATA,
    WBITS,
    st.lists(st.tuples(st.integers(0, 100), st.sampled_from([0, 1, 10, 1000])), max_size=6),
    st.binary(max_size=5),
    st.integers(0, 400),
)
def test_pieces_limits_and_damage(
    data: bytes, wbits: int, cuts: list[tuple[int, int]], tail: bytes, damaged: int
) -> None:
    stream = bytearray(zlib.compress(data, wbits=wbits) + tail)
    if damaged < len(stream):
        stream[damaged] ^= 0x55
    assert steps(ours(), bytes(stream), wbits, cuts) == steps(zlib, bytes(stream), wbits, cuts)
