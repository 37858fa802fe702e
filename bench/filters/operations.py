"""Answers `/NAME/TIMES` with the nanoseconds that TIMES of operation NAME took, measured where it runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from proxy_wasm import HttpContext, PluginContext
from proxy_wasm._dispatch import Dispatcher  # what C calls, called here without C

if TYPE_CHECKING:
    from collections.abc import Callable


def _quiet_callbacks() -> dict[str, Callable[..., int | None]]:
    """Return the callbacks of a filter that does nothing; inside a function the build does not take it for ours."""

    class Quiet(HttpContext):
        def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
            pass

        def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
            pass

    class QuietPlugin(PluginContext):
        http_context = Quiet

    return Dispatcher(QuietPlugin).callbacks


_CALLBACKS = _quiet_callbacks()
_ROOT, _STREAM = 1_000_000, 1_000_001
"""Context numbers that the host does not get to."""


def _nothing(stream: HttpContext, times: int) -> None:
    for _ in range(times):
        pass


def _function(stream: HttpContext, times: int) -> None:
    for _ in range(times):
        _called()


def _called() -> None:
    pass


def _stream(stream: HttpContext, times: int) -> None:
    """All that a stream costs in Python: its context, two callbacks that do nothing, and its end."""
    create, delete = _CALLBACKS["proxy_on_context_create"], _CALLBACKS["proxy_on_delete"]
    request, response = _CALLBACKS["proxy_on_request_headers"], _CALLBACKS["proxy_on_response_headers"]
    create(_ROOT, 0)
    for _ in range(times):
        create(_STREAM, _ROOT)
        request(_STREAM, 8, True)
        response(_STREAM, 4, True)
        delete(_STREAM)


def _callback(stream: HttpContext, times: int) -> None:
    create, request = _CALLBACKS["proxy_on_context_create"], _CALLBACKS["proxy_on_request_headers"]
    create(_ROOT, 0)
    create(_STREAM, _ROOT)
    for _ in range(times):
        request(_STREAM, 8, True)
    _CALLBACKS["proxy_on_delete"](_STREAM)


def _get_header(stream: HttpContext, times: int) -> None:
    headers = stream.request_headers
    for _ in range(times):
        headers.get(b":path")


def _get_missing_header(stream: HttpContext, times: int) -> None:
    headers = stream.request_headers
    for _ in range(times):
        headers.get("x-missing")


def _set_header(stream: HttpContext, times: int) -> None:
    headers = stream.request_headers
    for _ in range(times):
        headers["x-bench"] = "1"


def _all_headers(stream: HttpContext, times: int) -> None:
    headers = stream.request_headers
    for _ in range(times):
        headers.items()


def _property(stream: HttpContext, times: int) -> None:
    properties = stream.properties
    for _ in range(times):
        properties.get_text("request.path")


OPERATIONS: dict[str, Callable[[HttpContext, int], None]] = {
    "nothing": _nothing,
    "function": _function,
    "callback": _callback,
    "stream": _stream,
    "get_header": _get_header,
    "get_missing_header": _get_missing_header,
    "set_header": _set_header,
    "all_headers": _all_headers,
    "property": _property,
}


class Operations(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        _, name, times = (self.request_headers.text[":path"]).split("/")
        operation, count = OPERATIONS[name], int(times)
        operation(self, count)  # once unmeasured, to have everything in place
        began = time.perf_counter_ns()
        operation(self, count)
        self.send_response(200, body=str(time.perf_counter_ns() - began))
