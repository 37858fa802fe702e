"""The standard ``logging`` module, bridged to the proxy's log.

Import this for its :func:`install`, and only if you want ``logging``: it is paid for in memory by every
worker, unlike :mod:`proxy_wasm.log`. Each line starts with plugin, request id and context id:
``[plugin=auth request=4f8c context=7]``.
"""

from __future__ import annotations

import logging

from proxy_wasm._abi import host
from proxy_wasm._phase import phase
from proxy_wasm._report import format_exception, line_prefix
from proxy_wasm._types import LogLevel

_LEVELS = {
    LogLevel.TRACE: 1,
    LogLevel.DEBUG: 10,
    LogLevel.INFO: 20,
    LogLevel.WARN: 30,
    LogLevel.ERROR: 40,
    LogLevel.CRITICAL: 50,
}


def proxy_level(level: int) -> LogLevel:
    """The host's level for one of ``logging``: below ``DEBUG`` is trace, from ``CRITICAL`` on critical."""
    if level >= logging.ERROR:
        return LogLevel.CRITICAL if level >= logging.CRITICAL else LogLevel.ERROR
    if level >= logging.INFO:
        return LogLevel.WARN if level >= logging.WARNING else LogLevel.INFO
    return LogLevel.DEBUG if level >= logging.DEBUG else LogLevel.TRACE


class ProxyLogFormatter(logging.Formatter):
    """``[plugin=auth request=4f8c context=7] logger: message``; tracebacks come without source lines."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Put plugin, request and context before the message."""
        context = phase.effective or phase.context
        prefix = line_prefix(None if context is None else context.plugin, context)
        return f"{prefix} {record.name}: {record.message}"

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """Format a traceback without source lines, which the wasm has none of."""
        error = ei[1] if isinstance(ei, tuple) else None
        return format_exception(error) if isinstance(error, BaseException) else ""


class ProxyLogHandler(logging.Handler):
    """Hands records to ``proxy_log``."""

    def __init__(self, level: int = logging.NOTSET) -> None:
        super().__init__(level)
        self.setFormatter(ProxyLogFormatter())

    def emit(self, record: logging.LogRecord) -> None:
        """Log one record; like every handler of ``logging`` it does not raise."""
        try:
            host.log(int(proxy_level(record.levelno)), self.format(record))
        except Exception:
            self.handleError(record)


def install(level: int | None = None, logger: logging.Logger | None = None) -> ProxyLogHandler:
    """Make the proxy's log the one place that ``logger`` (the root logger) writes to; gives the handler.

    ``level`` is the lowest one that is logged; the host's own by default, as it is now: call this in
    ``on_configure``.
    """
    target = logging.getLogger() if logger is None else logger
    handler = ProxyLogHandler()
    target.handlers[:] = [handler]
    target.setLevel(_LEVELS.get(LogLevel.of(host.get_log_level()), logging.INFO) if level is None else level)
    return handler
