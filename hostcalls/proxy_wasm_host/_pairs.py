"""Maps as they cross the border: count, sizes, then NUL-ended names and values (specification)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import MAX_PAIRS, MAX_PAIRS_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

Pairs = list[tuple[bytes, bytes]]

_COUNT = struct.Struct("<I")


def serialise(pairs: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Return `pairs` in wire form; no pairs are the four zero bytes of a zero count."""
    sizes: list[int] = [len(pairs)]
    parts: list[bytes] = []
    for name, value in pairs:
        sizes.append(len(name))
        sizes.append(len(value))
        parts.append(name)
        parts.append(value)
    parts.append(b"")
    return struct.pack(f"<{len(sizes)}I", *sizes) + b"\0".join(parts)


def parse(data: bytes) -> Pairs:
    """Return the pairs in `data`.

    Whatever Envoy's host takes for malformed (too large, too many, sizes that don't fit, a missing NUL, bytes
    left over) reads as no pairs at all, as it does there.
    """
    total = len(data)
    if total < _COUNT.size or total > MAX_PAIRS_BYTES:
        return []
    (count,) = _COUNT.unpack_from(data)
    position = 4 + count * 8
    if count > MAX_PAIRS or position > total:
        return []
    sizes = struct.unpack_from(f"<{count * 2}I", data, 4)
    strings: list[bytes] = []
    for size in sizes:
        end = position + size
        if end >= total or data[end]:
            return []
        strings.append(data[position:end])
        position = end + 1
    if position != total:
        return []
    return list(zip(strings[::2], strings[1::2], strict=True))
