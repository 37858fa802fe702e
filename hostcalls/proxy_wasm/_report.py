"""What is said about an exception: its traceback, without the traceback module and what that imports."""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._errors import ProxyWasmError
from proxy_wasm._metrics import metric_id
from proxy_wasm._types import LogLevel, MetricType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from proxy_wasm._contexts import Context, PluginContext

_ERROR = int(LogLevel.ERROR)
_COUNTER = int(MetricType.COUNTER)
_HEAD, _TAIL = 10, 30
"""Frames shown of a deep traceback, from its start and its end."""

_OWN = (
    "proxy_wasm/_dispatch.py",
    "proxy_wasm/_streams.py",
    "proxy_wasm/_callbacks.py",
    "proxy_wasm/_pending.py",
)
"""Files whose frames lead to a filter's callback and say nothing about it."""

EXCEPTIONS_METRIC = "python.exceptions"
"""Counter of exceptions that filters let out; followed by a dot and the plugin's name, where it has one."""


def format_exception(error: BaseException) -> str:
    """The traceback as Python prints it, but for source lines, which the wasm does not have."""
    lines: list[str] = []
    seen: set[int] = set()
    _describe(error, lines, seen)
    return "\n".join(lines)


def _describe(error: BaseException, lines: list[str], seen: set[int]) -> None:
    seen.add(id(error))
    cause, context = error.__cause__, error.__context__
    if cause is not None and id(cause) not in seen:
        _describe(cause, lines, seen)
        lines.append("The above exception was the direct cause of the following exception:")
    elif context is not None and not error.__suppress_context__ and id(context) not in seen:
        _describe(context, lines, seen)
        lines.append("During handling of the above exception, another exception occurred:")
    lines.append("Traceback (most recent call last):")
    lines.extend(_frames(error.__traceback__))
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    text = _text(error)
    lines.append(f"{name}: {text}" if text else name)
    lines.extend(str(note) for note in getattr(error, "__notes__", ()))


def _frames(trace: TracebackType | None) -> list[str]:
    frames: list[str] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.endswith(_OWN):
            frames.append(f'  File "{code.co_filename}", line {trace.tb_lineno}, in {code.co_qualname}')
        trace = trace.tb_next
    if len(frames) > _HEAD + _TAIL:
        frames[_HEAD:-_TAIL] = [f"  ... {len(frames) - _HEAD - _TAIL} more frames ..."]
    return frames


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as second:
        return f"<its __str__ raised {type(second).__qualname__}>"


def line_prefix(plugin: PluginContext | None, context: Context | None) -> str:
    """``[plugin=auth request=4f8c...

    Context=7]``: what each log line needs to be found again. Never raises.
    """
    parts: list[str] = []
    try:
        if plugin is not None and plugin.name:
            parts.append(f"plugin={plugin.name}")
        request_id = getattr(context, "request_id", "")
        if request_id:
            parts.append(f"request={request_id}")
    except ProxyWasmError:
        pass  # a host that cannot say; the context id is left
    if context is not None:
        parts.append(f"context={context.context_id}")
    return f"[{' '.join(parts)}]"


def report(
    plugin: PluginContext | None, context: Context | None, callback: str, error: BaseException, answer: str
) -> None:
    """Log and count an exception. Never raises: out of memory, it says less."""
    try:
        message = f"{line_prefix(plugin, context)} {callback} raised; {answer}\n{format_exception(error)}"
    except Exception:
        message = f"{callback} raised {type(error).__name__}"
    try:
        host.log(_ERROR, message)
        if plugin is not None:
            _count(plugin)
    except (ProxyWasmError, MemoryError):
        pass  # there is nobody left to tell


def _count(plugin: PluginContext) -> None:
    name = f"{EXCEPTIONS_METRIC}.{plugin.name}" if plugin.name else EXCEPTIONS_METRIC
    host.increment_metric(metric_id(_COUNTER, name), 1)
