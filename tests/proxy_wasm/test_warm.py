from __future__ import annotations

import sys

import pytest

from proxy_wasm import HostNotBoundError, HttpContext, log
from proxy_wasm._callbacks import _subclasses
from proxy_wasm._phase import phase
from proxy_wasm._warm import warm_up


def state() -> object:
    modules = {
        name: vars(module).get("host")
        for name, module in sys.modules.items()
        if name.startswith("proxy_wasm.")
    }
    return modules, phase.callback, phase.context, phase.effective, phase.creating, phase.vm


def test_warming_up_reaches_no_host_and_leaves_no_trace() -> None:
    before = state()
    warm_up()
    assert state() == before
    with pytest.raises(HostNotBoundError, match="at import there is never a host"):
        log.info("cold again")


def test_the_paths_that_were_warmed_raise_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def raised(*arguments: object) -> None:
        raise AssertionError(arguments)

    monkeypatch.setattr("proxy_wasm._streams.report", raised)
    monkeypatch.setattr("proxy_wasm._dispatch.report", raised)
    warm_up()


def test_what_warmed_is_not_among_the_filter_s_classes() -> None:
    warm_up()
    classes = _subclasses(HttpContext)
    assert all(not cls.__module__.startswith("proxy_wasm.") for cls in classes)
