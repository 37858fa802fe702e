"""Foreign functions that Envoy offers and that make sense without it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import Status
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable


def _compress(arguments: bytes) -> bytes:
    return zlib.compress(arguments)


def _uncompress(arguments: bytes) -> bytes:
    try:
        return zlib.decompress(arguments)
    except zlib.error:
        raise HostCallFailed(Status.SERIALIZATION_FAILURE) from None


def clear_route_cache(arguments: bytes) -> bytes:
    """Stand for Envoy's function of this name; the calling stream counts the calls (`route_cache_cleared`)."""
    del arguments
    return b""


def envoy_functions() -> dict[str, Callable[[bytes], bytes | None]]:
    """Return the functions by name."""
    return {"compress": _compress, "uncompress": _uncompress, "clear_route_cache": clear_route_cache}
