from __future__ import annotations

import pytest
from tests.proxy_wasm.scripted import ScriptedHost

from proxy_wasm import HostNotBoundError, HttpContext, InternalFailureError, _unbound
from proxy_wasm._phase import phase
from proxy_wasm._unbound import HostStatus, bind


def callback_running() -> str | None:
    """Return the current phase's callback: another binding has another one, which a type checker cannot know."""
    return phase.callback


def test_without_a_host_the_error_says_what_would_be_right() -> None:
    with pytest.raises(HostNotBoundError, match=r"proxy_get_property: no host here.*native_vm\(Plugin\)"):
        _unbound.get_property(b"x")
    with pytest.raises(HostNotBoundError):
        HttpContext().request_headers.get("x")


def test_bindings_nest_and_each_has_its_own_phase() -> None:
    outer, inner = ScriptedHost(now=1), ScriptedHost(now=2)
    with bind(outer):
        phase.callback = "on_tick"
        with bind(inner):
            assert callback_running() is None
            assert phase.vm is inner
            assert _unbound.get_current_time_nanoseconds() == 2
        assert callback_running() == "on_tick"
        assert phase.vm is outer
        assert _unbound.get_current_time_nanoseconds() == 1
    assert callback_running() is None
    with pytest.raises(HostNotBoundError):
        _unbound.get_current_time_nanoseconds()


def test_absence_is_none_and_every_other_status_an_exception() -> None:
    class Failing(ScriptedHost):
        def get_property(self, path: bytes) -> bytes:
            raise HostStatus(int(path))

    with bind(Failing()):
        assert _unbound.get_property(b"1") is None
        with pytest.raises(
            InternalFailureError, match=r"proxy_get_property: INTERNAL_FAILURE \(in no callback running\)"
        ):
            _unbound.get_property(b"10")


def test_bytes_like_goes_in_and_bytes_come_out() -> None:
    host = ScriptedHost(maps={0: []})
    with bind(host):
        _unbound.add_header_map_value(0, bytearray(b"a"), memoryview(b"1"))
        _unbound.log(2, "text \udc80")
        _unbound.log(2, bytearray(b"raw"))
        assert _unbound.environ() == [(b"NAME", b"value")]
    assert host.maps[0] == [(b"a", b"1")]
    assert type(host.maps[0][0][0]) is bytes
    assert host.logs == [(2, "text \\udc80"), (2, "raw")]
