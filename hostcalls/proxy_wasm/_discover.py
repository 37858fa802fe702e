"""Which class of a filter's module is the plugin."""

from __future__ import annotations

from proxy_wasm._callbacks import plugin_around
from proxy_wasm._contexts import Context, PluginContext
from proxy_wasm._errors import PluginDiscoveryError
from proxy_wasm._http import HttpContext
from proxy_wasm._tcp import TcpContext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import TypeVar

    C = TypeVar("C", bound=Context)


def find_plugin(module: ModuleType, name: str | None = None) -> type[PluginContext]:
    """The plugin class of a module.

    The class called ``name``; else the one :class:`PluginContext` in the module; else a plugin made around
    its one :class:`HttpContext`, its one :class:`TcpContext`, or one of each. Classes that others in the
    module derive from do not count, nor do imported ones if the module has its own. A plugin that names no
    stream class gets the module's one, if there is one. Raises :class:`PluginDiscoveryError` if that does not
    lead to one class.
    """
    if name is not None:
        return _complete(_named(module, name), module)
    plugins = _candidates(module, PluginContext)
    if len(plugins) > 1:
        raise _ambiguous(module, plugins)
    if plugins:
        return _complete(plugins[0], module)
    streams = [*_candidates(module, HttpContext), *_candidates(module, TcpContext)]
    if not streams:
        raise PluginDiscoveryError(
            f"{module.__name__} has no filter in it: "
            "derive a class from HttpContext, TcpContext or PluginContext"
        )
    return _wrap(module, streams)


def _named(module: ModuleType, name: str) -> type[Context]:
    found = getattr(module, name, None)
    if not isinstance(found, type) or not issubclass(found, Context):
        have = ", ".join(c.__name__ for c in _candidates(module, Context)) or "none"
        raise PluginDiscoveryError(
            f"{module.__name__}:{name} is no PluginContext, HttpContext or TcpContext; it has: {have}"
        )
    return found


def _complete(cls: type[Context], module: ModuleType) -> type[PluginContext]:
    """Make a plugin of a stream class; give a plugin that names no stream class the module's own."""
    if not issubclass(cls, PluginContext):
        return _wrap(module, [cls])
    missing: dict[str, object] = {}
    named = cls.http_context or cls.tcp_context
    creates = any(
        getattr(cls, n) is not getattr(PluginContext, n)
        for n in ("create_http_context", "create_tcp_context")
    )
    if not named and not creates:
        http, tcp = _candidates(module, HttpContext), _candidates(module, TcpContext)
        if len(http) > 1 or len(tcp) > 1:
            raise PluginDiscoveryError(
                f"{module.__name__}:{cls.__name__} names no stream class, and there are several: "
                f"set http_context = {(http or tcp)[0].__name__} (or tcp_context) in it"
            )
        if http:
            missing["http_context"] = http[0]
        if tcp:
            missing["tcp_context"] = tcp[0]
    if not missing:
        return cls
    return type(
        cls.__name__, (cls,), {"__module__": cls.__module__, "__qualname__": cls.__qualname__, **missing}
    )


def _wrap(module: ModuleType, streams: Sequence[type[Context]]) -> type[PluginContext]:
    http = [c for c in streams if issubclass(c, HttpContext)]
    tcp = [c for c in streams if issubclass(c, TcpContext)]
    if len(http) > 1 or len(tcp) > 1:
        raise _ambiguous(module, streams)
    return plugin_around([*http, *tcp], module.__name__)


def _candidates(module: ModuleType, base: type[C]) -> list[type[C]]:
    """The most derived subclasses of ``base`` in a module.

    Its own, else its package's, else imported ones.
    """
    prefix = module.__name__
    ranks: list[list[type[C]]] = [[], [], []]
    for value in vars(module).values():
        if (
            isinstance(value, type)
            and issubclass(value, base)
            and not value.__module__.startswith("proxy_wasm.")
        ):
            own = value.__module__
            ranks[0 if own == prefix else 1 if own.startswith(f"{prefix}.") else 2].append(value)
    found = next((rank for rank in ranks if rank), [])
    unique = list(dict.fromkeys(found))
    return [cls for cls in unique if not any(other is not cls and issubclass(other, cls) for other in unique)]


def _ambiguous(module: ModuleType, classes: Sequence[type[Context]]) -> PluginDiscoveryError:
    names = ", ".join(c.__name__ for c in classes)
    return PluginDiscoveryError(
        f"{module.__name__} has several filters in it ({names}): "
        f"name one, {module.__name__}:{classes[0].__name__}"
    )
