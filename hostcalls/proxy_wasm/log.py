"""Lines for the proxy's log: ``log.info("seen %d", n)``.

A message is text or bytes; with arguments it is a ``%`` template, filled in only if the host logs that level.
For the standard ``logging`` module see :mod:`proxy_wasm.logging`.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._types import LogLevel

_TRACE, _DEBUG, _INFO, _WARN, _ERROR, _CRITICAL = range(6)


def log(level: int, message: str | bytes, *arguments: object) -> None:
    """Log at a :class:`LogLevel`."""
    if arguments:
        if level < host.get_log_level():
            return
        host.log(level, message % arguments)
    else:
        host.log(level, message)


def enabled(level: int) -> bool:
    """Whether the host logs this level now, for messages that are dear to make."""
    return level >= host.get_log_level()


def get_log_level() -> LogLevel:
    """The lowest level that the host logs now."""
    return LogLevel.of(host.get_log_level())


def trace(message: str | bytes, *arguments: object) -> None:
    """Log at level trace."""
    log(_TRACE, message, *arguments)


def debug(message: str | bytes, *arguments: object) -> None:
    """Log at level debug."""
    log(_DEBUG, message, *arguments)


def info(message: str | bytes, *arguments: object) -> None:
    """Log at level info."""
    log(_INFO, message, *arguments)


def warn(message: str | bytes, *arguments: object) -> None:
    """Log at level warn."""
    log(_WARN, message, *arguments)


def error(message: str | bytes, *arguments: object) -> None:
    """Log at level error."""
    log(_ERROR, message, *arguments)


def critical(message: str | bytes, *arguments: object) -> None:
    """Log at level critical."""
    log(_CRITICAL, message, *arguments)


def exception(message: str, failure: BaseException) -> None:
    """Log an exception that the filter handles itself, with its traceback, at level error."""
    from proxy_wasm._report import format_exception  # noqa: PLC0415 - a log line must not need the contexts

    host.log(_ERROR, f"{message}\n{format_exception(failure)}")
