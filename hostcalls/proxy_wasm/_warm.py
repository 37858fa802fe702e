"""Before the snapshot: run the SDK's own paths with a host that is none, so that first requests are quick.

What warms is the interpreter: specialised bytecode, grown dictionaries, free lists. Filters' own code does
not run, and nothing of this is left but the warmth.
"""

from __future__ import annotations

import sys

from proxy_wasm._contexts import PluginContext
from proxy_wasm._dispatch import Dispatcher
from proxy_wasm._http import HttpContext
from proxy_wasm._phase import phase
from proxy_wasm._tcp import TcpContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 16
"""CPython 3.11 specialises a function's code after 8 calls."""

_ANSWERS: dict[str, object] = {
    "get_buffer_bytes": b"warm",
    "get_buffer_status": (4, 0),
    "get_current_time_nanoseconds": 0,
    "get_header_map_pairs": [(b":path", b"/"), (b"x-warm", b"yes")],
    "get_header_map_size": 16,
    "get_header_map_value": b"warm",
    "get_log_level": 5,
    "get_metric": 0,
    "get_property": b"warm",
    "get_shared_data": None,
    "get_status": (0, b""),
    "http_call": 1,
}


class _NoHost:
    """Answers everything, does nothing."""

    def __getattr__(self, call: str) -> Callable[..., object]:
        answer = _ANSWERS.get(call)

        def function(*_arguments: object) -> object:
            return answer

        setattr(self, call, function)
        return function


class _Http(HttpContext):
    def on_request_headers(self, num_headers: int, end_of_stream: bool) -> None:
        headers = self.request_headers
        headers.get("x-warm")
        headers["x-warm"] = "yes"
        headers.add("x-warm", b"yes")
        headers.remove("x-warm")
        headers.text.items()

    def on_request_body(self, body_size: int, end_of_stream: bool) -> None:
        self.request_body.read()

    def on_request_trailers(self, num_trailers: int) -> None:
        self.request_trailers.get_all(b"x-warm")

    def on_response_headers(self, num_headers: int, end_of_stream: bool) -> None:
        del self.response_headers["content-length"]

    async def on_response_body(self, body_size: int, end_of_stream: bool) -> None:
        self.response_body[0:4] = b"cold"
        if end_of_stream:
            await self.http_call("warm")

    def on_response_trailers(self, num_trailers: int) -> None:
        self.properties.get_text("source.address")

    def on_log(self) -> None:
        len(self.request_id)


class _Tcp(TcpContext):
    def on_downstream_data(self, data_size: int, end_of_stream: bool) -> None:
        self.downstream_data.read(0, 1)


class _Plugin(PluginContext):
    http_context = _Http
    tcp_context = _Tcp


def warm_up() -> None:
    """Run the SDK's paths.

    Nothing reaches the host, and contexts, metrics and the phase are afterwards as they were before.
    """
    modules = [
        m for name, m in list(sys.modules.items()) if name.startswith("proxy_wasm.") and "host" in vars(m)
    ]
    real = {module: vars(module)["host"] for module in modules}
    saved = (phase.callback, phase.context, phase.effective, phase.creating, phase.vm)
    no_host = _NoHost()
    for module in modules:
        module.host = no_host  # type: ignore[attr-defined] # chosen by having one
    try:
        _run()
    finally:
        for module, host in real.items():
            module.host = host  # type: ignore[attr-defined] # as above
        phase.callback, phase.context, phase.effective, phase.creating, phase.vm = saved


def _run() -> None:
    callbacks = Dispatcher(_Plugin).callbacks
    plugin, stream = 1, 2
    callbacks["proxy_on_context_create"](plugin, 0)
    callbacks["proxy_on_configure"](plugin, 4)
    for _ in range(ROUNDS):
        callbacks["proxy_on_context_create"](stream, plugin)
        for name in ("request", "response"):
            callbacks[f"proxy_on_{name}_headers"](stream, 2, False)
            callbacks[f"proxy_on_{name}_body"](stream, 4, False)
            callbacks[f"proxy_on_{name}_trailers"](stream, 1)
        callbacks["proxy_on_response_body"](stream, 4, True)
        callbacks["proxy_on_http_call_response"](plugin, 1, 2, 4, 0)
        callbacks["proxy_on_log"](stream)
        callbacks["proxy_on_delete"](stream)
        callbacks["proxy_on_context_create"](stream, plugin)
        callbacks["proxy_on_downstream_data"](stream, 4, False)
        callbacks["proxy_on_delete"](stream)
    callbacks["proxy_on_delete"](plugin)
