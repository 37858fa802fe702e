"""Helpers for tests of filters in a real Envoy.

with serve_http() as upstream, EnvoyProcess(proxy([plugin], upstream.address)) as envoy:
    reply = request(envoy, "POST", "/orders", body=b"{}", headers={"x-user": "ann"})
    assert reply.status == 200
    assert upstream.requests[-1].headers["x-user"] == "ann"
"""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leaksignal_wasm.envoy.upstream import Answer, HttpUpstream, Received, describe, echo, serve_http

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from leaksignal_wasm.envoy._process import EnvoyProcess

__all__ = ["Answer", "HttpUpstream", "Received", "Reply", "describe", "echo", "request", "serve_http"]


@dataclass(frozen=True)
class Reply:
    """What the client got."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


def request(
    envoy: EnvoyProcess,
    method: str = "GET",
    path: str = "/",
    *,
    body: bytes | Iterable[bytes] | None = None,
    headers: Mapping[str, str] | None = None,
    listener: str = "ingress",
    timeout: float = 30.0,
) -> Reply:
    """Send one HTTP/1.1 request on a connection of its own; an iterable body goes in chunks."""
    connection = http.client.HTTPConnection("127.0.0.1", envoy.port(listener), timeout=timeout)
    try:
        chunked = body is not None and not isinstance(body, bytes)
        connection.request(method, path, body=body, headers=dict(headers or {}), encode_chunked=chunked)
        response = connection.getresponse()
        return Reply(response.status, response.msg, response.read())
    finally:
        connection.close()
