"""How much module the smallest filter makes."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from bench.figures import Figure, at_most

if TYPE_CHECKING:
    from bench.workshop import Workshop


def measure(workshop: Workshop) -> list[Figure]:
    module = workshop.python("smallest").module
    if module is None:
        raise AssertionError("a built subject has its module")
    content = module.read_bytes()
    compressed = gzip.compress(content, compresslevel=9, mtime=0)
    return [
        Figure("module of the smallest filter", len(content) / 1e6, "MB", at_most(5.0)),
        Figure("... compressed by gzip -9", len(compressed) / 1e6, "MB", at_most(1.6)),
    ]
