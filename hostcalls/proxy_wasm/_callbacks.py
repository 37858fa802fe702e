"""Which callbacks there are, and which of them a plugin overrides."""

from __future__ import annotations

from proxy_wasm._contexts import Context, PluginContext, StreamContext
from proxy_wasm._http import HttpContext
from proxy_wasm._types import BufferType, StreamType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Callback = Callable[..., int | None]

REQUEST, RESPONSE = int(StreamType.HTTP_REQUEST), int(StreamType.HTTP_RESPONSE)
DOWNSTREAM, UPSTREAM = int(StreamType.DOWNSTREAM), int(StreamType.UPSTREAM)

# Stream callbacks that answer an action: method, direction, parameters beside the context id.
HTTP_CALLBACKS = {
    "on_request_headers": (REQUEST, 2),
    "on_request_body": (REQUEST, 2),
    "on_request_trailers": (REQUEST, 1),
    "on_request_metadata": (REQUEST, 1),
    "on_response_headers": (RESPONSE, 2),
    "on_response_body": (RESPONSE, 2),
    "on_response_trailers": (RESPONSE, 1),
    "on_response_metadata": (RESPONSE, 1),
}
TCP_CALLBACKS = {
    "on_new_connection": (DOWNSTREAM, 0),
    "on_downstream_data": (DOWNSTREAM, 2),
    "on_upstream_data": (UPSTREAM, 2),
}
TCP_CLOSE_CALLBACKS = ("on_downstream_connection_close", "on_upstream_connection_close")
BODIES = {
    "on_request_body": int(BufferType.HTTP_REQUEST_BODY),
    "on_response_body": int(BufferType.HTTP_RESPONSE_BODY),
    "on_downstream_data": int(BufferType.DOWNSTREAM_DATA),
    "on_upstream_data": int(BufferType.UPSTREAM_DATA),
}


def plugin_around(streams: list[type[StreamContext]], module: str) -> type[PluginContext]:
    """A plugin whose streams are of these classes, at most one for HTTP and one for TCP."""
    body: dict[str, object] = {"__module__": module}
    for cls in streams:
        body["http_context" if issubclass(cls, HttpContext) else "tcp_context"] = cls
        body["failure_mode"] = cls.failure_mode
        body["prepare"] = cls.prepare
    return type(f"{streams[0].__name__}Plugin", (PluginContext,), body)


def overrides(cls: type, base: type, name: str) -> bool:
    return getattr(cls, name) is not getattr(base, name)


def stream_class(
    plugin: type[PluginContext], attribute: str, create: str, base: type[Context]
) -> tuple[bool, dict[str, Callable[..., Any]]]:
    """Whether the plugin has streams of this kind, and which callbacks they override.

    With ``create_..._context`` overridden, their class shows only when it is called: then whatever any stream
    class overrides counts, and is looked up by name.
    """
    names = [
        *(HTTP_CALLBACKS if base is HttpContext else (*TCP_CALLBACKS, *TCP_CLOSE_CALLBACKS)),
        "on_done",
        "on_log",
    ]
    cls = getattr(plugin, attribute)
    if not overrides(plugin, PluginContext, create):
        return cls is not None, {} if cls is None else {
            n: getattr(cls, n) for n in names if overrides(cls, base, n)
        }
    classes = _subclasses(base)
    return True, {name: _by_name(name) for name in names if any(overrides(c, base, name) for c in classes)}


def _subclasses(cls: type[Context]) -> list[type[Context]]:
    found: list[type[Context]] = []
    for child in cls.__subclasses__():
        if not child.__module__.startswith("proxy_wasm."):  # what warmed the SDK up may linger
            found.append(child)
        found += _subclasses(child)
    return found


def _by_name(name: str) -> Callable[..., Any]:
    def call(context: Context, *arguments: Any) -> Any:
        return getattr(context, name)(*arguments)

    return call
