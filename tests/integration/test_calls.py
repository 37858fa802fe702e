"""Host calls that only a real Envoy can answer truly: properties, its own functions, closing, refusals by phase."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy.testing import HttpUpstream, request

if TYPE_CHECKING:
    from leaksignal_wasm.envoy import EnvoyProcess


def received(envoy: EnvoyProcess, upstream: HttpUpstream, order: str) -> dict[str, str]:
    """The headers that the upstream got of a request with this order."""
    reply = request(envoy, "POST", "/a?b=c", listener="closed", body=b"data", headers={"x-probe": order})
    assert reply.status == 200
    return dict(upstream.requests[-1].headers)


def test_properties_have_their_types(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    seen = json.loads(received(envoy, upstream, "properties")["x-properties"])
    assert seen.pop("source").startswith("127.0.0.1:")
    assert seen == {
        "method": "POST",
        "path": "/a?b=c",
        "protocol": "HTTP/1.1",
        "size": 4,
        "plugin": "probe-closed",
        "connection": True,
        "tls": False,
        "headers": True,
        "mark": "ff00",
        "parts": None,
        "missing": None,
    }


def test_functions_of_envoy_are_called(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    headers = received(envoy, upstream, "foreign")
    assert headers["x-foreign"] == "1 1"
    assert headers["x-missing"].startswith("proxy_call_foreign_function: NOT_FOUND")


def test_a_refused_call_is_an_exception_that_names_call_and_phase(
    envoy: EnvoyProcess, upstream: HttpUpstream
) -> None:
    error = received(envoy, upstream, "late")["x-error"]
    assert error.split()[0] == "add_header_map_value"
    assert "on_request_headers" in error


def test_closing_resets_the_stream_alone(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    with pytest.raises(http.client.RemoteDisconnected):
        request(envoy, listener="closed", headers={"x-probe": "close"})
    assert upstream.requests == []
    assert request(envoy, listener="closed").status == 200
