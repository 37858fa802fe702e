"""One recorded request and response, in the shape in which Envoy shows them to a filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

Headers: TypeAlias = tuple[tuple[bytes, bytes], ...]
"""An ordered multi-map; names in lower case, pseudo headers (`:method`, `:status`, ...) among them."""


@dataclass(frozen=True, slots=True)
class Message:
    """A request or a response.

    `body` keeps the recorded chunk boundaries where the format has them. `times` is empty or has one number
    for the headers, one for each chunk and, if there are trailers, one for them: nanoseconds since the
    exchange began. `truncated` says that less than the whole body was recorded.
    """

    headers: Headers
    body: tuple[bytes, ...] = ()
    trailers: Headers = ()
    times: tuple[int, ...] = ()
    truncated: bool = False

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of a header (`name` in lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    @property
    def content(self) -> bytes:
        """The body in one piece."""
        return b"".join(self.body)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response.

    `response` is None where none was recorded (a browser's blocked or aborted request, for example).
    `started` is nanoseconds since the epoch. `protocol` is what the client spoke, such as `HTTP/2`, or empty.
    `source` names the place in the capture for messages to people, such as `log.entries[3]`; it takes no part
    in comparisons.
    """

    request: Message
    response: Message | None = None
    started: int | None = None
    protocol: str = ""
    source: str = ""

    def __eq__(self, other: object) -> bool:
        """Compare all but `source`."""
        if not isinstance(other, Exchange):
            return NotImplemented
        mine = (self.request, self.response, self.started, self.protocol)
        return mine == (other.request, other.response, other.started, other.protocol)

    def __hash__(self) -> int:
        return hash((self.request, self.response, self.started, self.protocol))

    @property
    def method(self) -> str:
        """`:method`, or an empty string."""
        return _text(self.request.get(b":method"))

    @property
    def path(self) -> str:
        """`:path` with its query, or an empty string."""
        return _text(self.request.get(b":path"))

    @property
    def authority(self) -> str:
        """`:authority`, or an empty string."""
        return _text(self.request.get(b":authority"))

    @property
    def status(self) -> int | None:
        """The recorded status, or None without a response."""
        return status_of(self.response)


def status_of(message: Message | None) -> int | None:
    """Read `:status` of a response; None if there is no response or no number in it."""
    value = message.get(b":status") if message else None
    return int(value) if value and value.isdigit() else None


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "backslashreplace")
