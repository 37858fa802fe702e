from __future__ import annotations

import pytest
from tests.re2.cases import CASES, OURS_ONLY, Case

EACH = pytest.mark.parametrize(("number", "case"), list(enumerate(CASES)), ids=[case.call for case in CASES])


@EACH
def test_pyre2_gives(number: int, case: Case, pyre2_answers: list[str]) -> None:
    if case.pyre2 is not OURS_ONLY:
        assert pyre2_answers[number] == repr(case.pyre2 if case.why else case.gives)


@EACH
def test_ours_gives(number: int, case: Case, native_answers: list[str]) -> None:
    assert native_answers[number] == repr(case.gives)


@EACH
def test_ours_gives_inside_the_wasm(number: int, case: Case, wasm_answers: list[str]) -> None:
    assert wasm_answers[number] == repr(case.gives)
