"""Envoy's log, line by line, as it is written."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_FORMAT = "[%Y-%m-%dT%T.%e][%l][%n] %v"
"""What Envoy is told by --log-format; with --log-format-escaped an entry is one line, whatever its text."""

_ENTRY = re.compile(
    r"\[(?P<time>[\dT:.-]+)\]\[(?P<level>\w+)\]\[(?P<logger>\w+)\] (?P<message>.*)", re.DOTALL
)
_OF_FILTER = re.compile(r"wasm log(?: [^:]*)?: (?P<text>.*)", re.DOTALL)
_ERROR_LEVELS = ("critical", "error")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One entry of Envoy's log; what Envoy did not write through its logger has neither level nor logger."""

    message: str
    level: str = ""
    """trace, debug, info, warning, error, critical or empty."""
    logger: str = ""
    """Envoy's component: wasm, config, main, ..."""
    time: str = ""

    @property
    def of_filter(self) -> str | None:
        """What a filter logged, without Envoy's words before it; None if Envoy itself said this."""
        said = _OF_FILTER.fullmatch(self.message) if self.logger == "wasm" else None
        return None if said is None else said["text"]

    def __str__(self) -> str:
        """Return the line as Envoy showed it."""
        return f"[{self.level}][{self.logger}] {self.message}" if self.level else self.message


def parse_line(text: str) -> LogLine:
    """Read one raw line of Envoy's log, written by LOG_FORMAT and escaped."""
    match = _ENTRY.fullmatch(text)
    if match is None:
        return LogLine(text)
    level = match["level"]
    return LogLine(_unescape(match["message"]), level, match["logger"], match["time"])


def _unescape(text: str) -> str:
    """Undo C escapes; a byte above 127 is three octal digits, so the bytes are put together first."""
    if "\\" not in text:
        return text
    return (
        text.encode("ascii", "backslashreplace")
        .decode("unicode_escape")
        .encode("latin-1", "replace")
        .decode("utf-8", "replace")
    )


class LogFollower:
    """Reads a process's output on a thread of its own and keeps it; can be waited on."""

    def __init__(self, stream: IO[bytes], listener: Callable[[LogLine], None] | None = None) -> None:
        self._stream = stream
        self._listener = listener
        self._lines: list[LogLine] = []
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="envoy-log", daemon=True)
        self._thread.start()

    def lines(self) -> list[LogLine]:
        """Return all lines so far."""
        with self._changed:
            return list(self._lines)

    def errors(self) -> list[LogLine]:
        """Return the lines of level error and critical, and those without a level (crashes, usage errors)."""
        return [line for line in self.lines() if line.level in _ERROR_LEVELS or not line.level]

    def wait_for(self, found: Callable[[LogLine], bool], *, since: int = 0, timeout: float) -> LogLine | None:
        """Return the first line from number `since` on that is `found`; None if there is none in time."""
        deadline = time.monotonic() + timeout
        position = since
        with self._changed:
            while True:
                for line in self._from(position):
                    if found(line):
                        return line
                position = len(self._lines)
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    return None
                self._changed.wait(left)

    def join(self, timeout: float = 5.0) -> None:
        """Wait until the output has ended, at most `timeout` seconds."""
        self._thread.join(timeout)

    def _from(self, position: int) -> Iterator[LogLine]:
        return iter(self._lines[max(0, position) :])

    def _read(self) -> None:
        with self._stream:
            for raw in self._stream:
                line = parse_line(raw.decode("utf-8", "replace").rstrip("\r\n"))
                with self._changed:
                    self._lines.append(line)
                    self._changed.notify_all()
                if self._listener is not None:
                    self._listener(line)
        with self._changed:
            self._ended = True
            self._changed.notify_all()
