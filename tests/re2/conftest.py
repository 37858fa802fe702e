from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.re2 import answers
from tests.re2.cases import CASES
from tests.re2.native import built

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CALLS = [case.call for case in CASES]


@pytest.fixture(scope="session")
def pyre2_answers() -> list[str]:
    return answers.natively("re2", CALLS)


@pytest.fixture(scope="session")
def native_answers() -> list[str]:
    return answers.natively("re2", CALLS, built("re2"))


@pytest.fixture(scope="session")
def wasm_answers(build_filter: Callable[..., Path]) -> list[str]:
    return answers.in_wasm(build_filter, "re2", CALLS, "pickle, re, warnings, weakref")
