from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.re2 import answers
from tests.re2.native import built
from tests.zlib import flows

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = Path(flows.__file__)
NAMES = [flow.__name__ for flow in flows.FLOWS]
CALLS = [f"{name}(zlib)" for name in NAMES]
EACH = pytest.mark.parametrize("number", range(len(NAMES)), ids=NAMES)


@pytest.fixture(scope="module")
def pythons_own() -> list[str]:
    return answers.natively("zlib", CALLS, None, SOURCE)


@pytest.fixture(scope="module")
def ours() -> list[str]:
    return answers.natively("zlib", CALLS, built("zlib"), SOURCE)


@pytest.fixture(scope="module")
def ours_in_wasm(build_filter: Callable[..., Path]) -> list[str]:
    return answers.in_wasm(build_filter, "zlib", CALLS, "gzip, io", SOURCE)


@EACH
def test_ours_does_what_pythons_does(number: int, pythons_own: list[str], ours: list[str]) -> None:
    assert ours[number] == pythons_own[number]
    assert not ours[number].startswith("raises")


@EACH
def test_ours_does_it_inside_the_wasm(number: int, pythons_own: list[str], ours_in_wasm: list[str]) -> None:
    assert ours_in_wasm[number] == pythons_own[number]
