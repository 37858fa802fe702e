"""Lets a request through only if an authorisation service says so.

The request waits, without blocking the proxy, while the service is asked with the caller's `authorization` header.
What the service answers about the caller (`x-user`) goes on to the upstream; what the client claimed about itself does not.
"""

from __future__ import annotations

from proxy_wasm import HttpCallFailedError, HttpContext, log

CLUSTER = "auth"
"""Envoy's name for the authorisation service."""

TIMEOUT = 1.0
"""Seconds to wait for its answer."""


class HeaderAuth(HttpContext):
    """Asks the cluster `auth` about each request that carries credentials."""

    async def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        self.request_headers.remove("x-user")
        credentials = self.request_headers.get("authorization")
        if not credentials:
            self.send_response(
                401, headers=[("www-authenticate", "Bearer")], body="credentials are missing\n"
            )
            return
        try:
            answer = await self.http_call(
                CLUSTER, path="/check", headers=[("authorization", credentials)], timeout=TIMEOUT
            )
            status = answer.status
        except HttpCallFailedError:
            status = 503
        if status >= 500:  # a call that takes too long, Envoy answers itself, with 504
            log.error("the authorisation service did not answer")
            self.send_response(503, body="cannot check credentials now\n")
        elif status != 200:
            self.send_response(403, body="not allowed\n")
        else:
            self.request_headers.set("x-user", answer.headers.get("x-user") or b"")
