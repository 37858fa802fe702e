from __future__ import annotations

from proxy_wasm import Action, FailureMode, LogLevel, Status


def test_constants_are_the_abi_s_numbers_with_names() -> None:
    assert Action.PAUSE == 1
    assert repr(Action.PAUSE) == "Action.PAUSE"
    assert f"{Status.CAS_MISMATCH}" == "CAS_MISMATCH"
    assert hash(LogLevel.ERROR) == hash(4)
    assert {4: "x"}[LogLevel.ERROR] == "x"
    assert FailureMode.CLOSED.name == "CLOSED"


def test_a_number_becomes_its_constant() -> None:
    assert Status.of(7) is Status.EMPTY
    assert repr(Status.of(99)) == "Status.99"
