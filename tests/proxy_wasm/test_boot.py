from __future__ import annotations

import logging
import os
import random
import uuid
from unittest import mock

from proxy_wasm._boot import refresh, vm_boot


def test_natively_nothing_was_frozen() -> None:
    before = dict(os.environ), random.getstate()
    vm_boot()
    assert (dict(os.environ), random.getstate()) == before


def test_what_was_frozen_is_made_fresh() -> None:
    with mock.patch.dict(os.environ), mock.patch.object(logging, "_startTime", 0):
        os.environ["STALE"] = "1"
        random.seed(7)
        frozen = random.getstate()
        uuid.uuid1()
        refresh([(b"NEW", b"\xff=\xc3\xa9"), (b"", b"nameless"), (b"a=b", b"odd")])
        assert dict(os.environ) == {"NEW": os.fsdecode(b"\xff=\xc3\xa9")}
        assert random.getstate() != frozen
        assert uuid._last_timestamp is None  # type: ignore[attr-defined] # what freezes
        assert logging._startTime > 0  # type: ignore[attr-defined] # what freezes
    assert "STALE" not in os.environ
