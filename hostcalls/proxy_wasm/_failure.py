"""What becomes of a stream whose callback raised: the plugin's failure mode, in host calls."""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._callbacks import DOWNSTREAM, REQUEST, RESPONSE, TCP_CALLBACKS, TCP_CLOSE_CALLBACKS, UPSTREAM
from proxy_wasm._contexts import BUSY, PAUSED, RELEASED, Context, is_over
from proxy_wasm._errors import UnimplementedError
from proxy_wasm._types import Action, FailureMode

CONTINUE, PAUSE = int(Action.CONTINUE), int(Action.PAUSE)
RESPONSE_HEADERS_GONE = ("on_response_body", "on_response_trailers", "on_response_metadata")
ERROR_RESPONSE = 500
GRPC_INTERNAL = 13


class Ended:
    """A stream that failed: what is left of it, and what its callbacks answer from now on."""

    __slots__ = ("context", "request", "response", "unanswered")

    def __init__(self, context: Context | None, mode: int) -> None:
        self.context = context
        self.unanswered = mode != FailureMode.OPEN
        self.request = self.response = PAUSE if self.unanswered else CONTINUE

    def answer(self, direction: int) -> int:
        return self.response if direction in {RESPONSE, UPSTREAM} else self.request


def refuse(name: str) -> None:
    """Failing closed.

    500, or a reset where the client has response headers already, or the end of the connection.
    """
    if name in TCP_CALLBACKS or name in TCP_CLOSE_CALLBACKS:
        host.close_stream(DOWNSTREAM)
    elif name in RESPONSE_HEADERS_GONE:
        host.close_stream(RESPONSE)
    else:
        host.send_local_response(ERROR_RESPONSE, b"python_exception", b"", [], GRPC_INTERNAL)


def release(state: int, direction: int | None, stalled: int | None, *, http: bool) -> None:
    """Failing open: whatever the filter holds goes on; ``direction`` does so by the callback's own answer."""
    for held in (REQUEST, RESPONSE) if http else (DOWNSTREAM, UPSTREAM):
        waits = state & (PAUSED | BUSY) << held and not state & RELEASED << held
        if held != direction and (waits or held == stalled) and not is_over(state, held):
            try:
                host.continue_stream(held)
            except UnimplementedError:
                continue  # Envoy's upstream: its next data goes on by itself


def consequence(mode: int) -> str:
    return (
        "failing open, the stream goes on" if mode == FailureMode.OPEN else "failing closed, the stream ends"
    )
