"""Call-outs that go over the network: a handler for `Host.cluster()` that asks a real server."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING

from proxy_wasm_host._callouts import CallFailure, HttpCall, HttpReply

if TYPE_CHECKING:
    from collections.abc import Callable


def real_upstream(
    address: str, port: int, *, tls: bool = False
) -> Callable[[HttpCall], HttpReply | CallFailure]:
    """Return a handler that sends each call to `address` and `port` and waits for the answer.

    The call's timeout bounds the wait (10 s where it has none); any failure to connect, send or read is a
    `CallFailure`.
    """

    def ask(call: HttpCall) -> HttpReply | CallFailure:
        make = http.client.HTTPSConnection if tls else http.client.HTTPConnection
        connection = make(address, port, timeout=(call.timeout_ms or 10_000) / 1000)
        try:
            connection.putrequest(call.method, call.path, skip_host=True, skip_accept_encoding=True)
            connection.putheader("host", call.headers[":authority"])
            for name, value in call.headers:
                if not name.startswith(b":"):
                    connection.putheader(name.decode("latin-1"), value)
            connection.endheaders(call.body or None)
            response = connection.getresponse()
            fields = [
                (name.lower().encode("latin-1"), value.encode("latin-1"))
                for name, value in response.getheaders()
            ]
            return HttpReply(response.status, response.read(), fields)
        except (OSError, http.client.HTTPException):
            return CallFailure()
        finally:
            connection.close()

    return ask
