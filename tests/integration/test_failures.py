"""An exception in a callback ends as the failure mode says, is logged and counted, and harms no other stream."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy.testing import HttpUpstream, request

if TYPE_CHECKING:
    from leaksignal_wasm.envoy import EnvoyProcess

BEFORE_THE_ANSWER = ["on_request_headers", "on_request_body", "on_response_headers"]
AFTERWARDS = ["on_done", "on_log", "on_delete"]


@pytest.mark.parametrize("callback", BEFORE_THE_ANSWER)
def test_closed_answers_500(envoy: EnvoyProcess, upstream: HttpUpstream, callback: str) -> None:
    since = len(envoy.log_lines())
    reply = request(envoy, "POST", listener="closed", body=b"data", headers={"x-probe": f"raise:{callback}"})
    assert reply.status == 500
    assert b"ordered" not in reply.body
    line = envoy.wait_for_log(f"ordered to fail in {callback}", since=since)
    assert "probe-closed" in line.message
    # The headers of a request whose body is refused are on their way already; the body is not.
    whole = [received for received in upstream.requests if received.body == b"data"]
    assert len(whole) == (1 if callback == "on_response_headers" else 0)
    assert request(envoy, listener="closed").status == 200


def test_closed_breaks_off_once_the_response_has_begun(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    assert upstream.requests == []
    with pytest.raises(http.client.HTTPException):
        request(envoy, "POST", listener="closed", body=b"data", headers={"x-probe": "raise:on_response_body"})
    assert request(envoy, listener="closed").status == 200


@pytest.mark.parametrize("callback", [*BEFORE_THE_ANSWER, "on_response_body", *AFTERWARDS])
def test_open_lets_the_stream_go_on(envoy: EnvoyProcess, upstream: HttpUpstream, callback: str) -> None:
    since = len(envoy.log_lines())
    reply = request(envoy, "POST", listener="open", body=b"data", headers={"x-probe": f"raise:{callback}"})
    assert (reply.status, reply.body) == (200, b"data")
    assert upstream.requests[-1].body == b"data"
    assert "probe-open" in envoy.wait_for_log(f"ordered to fail in {callback}", since=since).message


@pytest.mark.parametrize("callback", AFTERWARDS)
def test_closed_is_not_too_late_for_an_answer_that_went_out(
    envoy: EnvoyProcess, upstream: HttpUpstream, callback: str
) -> None:
    assert upstream.requests == []
    since = len(envoy.log_lines())
    reply = request(envoy, "POST", listener="closed", body=b"data", headers={"x-probe": f"raise:{callback}"})
    assert (reply.status, reply.body) == (200, b"data")
    envoy.wait_for_log(f"ordered to fail in {callback}", since=since)


def test_a_local_response_keeps_the_request_from_the_upstream(
    envoy: EnvoyProcess, upstream: HttpUpstream
) -> None:
    reply = request(envoy, listener="closed", headers={"x-probe": "local"})
    assert (reply.status, reply.body, reply.headers["x-from"]) == (418, b"short and stout", "filter")
    assert upstream.requests == []


@pytest.mark.parametrize("order", ["recurse", "deep-json"])
def test_recursion_without_end_is_an_exception_the_filter_can_catch(
    envoy: EnvoyProcess, upstream: HttpUpstream, order: str
) -> None:
    assert request(envoy, listener="closed", headers={"x-probe": order}).status == 200
    assert upstream.requests[-1].headers["x-survived"] == "recursion"
