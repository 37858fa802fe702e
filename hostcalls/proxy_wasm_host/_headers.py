"""Header maps: ordered, with duplicates, names in lower case, bytes throughout."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

Text = str | bytes
HeadersLike = Mapping[str, Text] | Mapping[bytes, Text] | Iterable[tuple[Text, Text]]
"""What callers may hand in: a mapping or pairs, `str` (taken as UTF-8) or `bytes`."""


def to_bytes(text: Text) -> bytes:
    """Return `text` as bytes; `str` becomes UTF-8."""
    return text.encode() if isinstance(text, str) else bytes(text)


_BUILT_IN: Final = b"""
    :authority :method :path :protocol :scheme :status connection content-length content-type
    date expect grpc-message grpc-status grpc-timeout keep-alive location proxy-connection
    proxy-status server te transfer-encoding upgrade user-agent via x-client-trace-id
    x-forwarded-client-cert x-forwarded-for x-forwarded-host x-forwarded-port
    x-forwarded-proto x-request-id
""".split()

_OF_REQUESTS: Final = b"""
    accept accept-encoding access-control-request-headers access-control-request-method
    authorization cache-control cdn-loop content-encoding grpc-accept-encoding if-match
    if-modified-since if-none-match if-range if-unmodified-since origin pragma referer
""".split()

_OF_RESPONSES: Final = b"""
    access-control-allow-credentials access-control-allow-headers access-control-allow-methods
    access-control-allow-origin access-control-expose-headers access-control-max-age age
    cache-control content-encoding etag expires last-modified vary
""".split()


class Joined(enum.Enum):
    """Names of which Envoy keeps one entry, joining what is added with a comma; they differ by direction.

    The first are built in (envoy/http/header_map.h, the O(1) headers), the others are registered by Envoy's extensions;
    Envoy 1.40 was asked name by name.
    """

    NONE = frozenset[bytes]()
    TRAILERS = frozenset(_BUILT_IN)
    REQUEST = frozenset(_BUILT_IN + _OF_REQUESTS)
    RESPONSE = frozenset(_BUILT_IN + _OF_RESPONSES)

    def on(self, quirks: bool) -> Joined:
        """Return these names where the host is to be like Envoy, else none."""
        return self if quirks else Joined.NONE


class HeaderMap:
    """An ordered multi-map of header fields or trailers.

    A second value of a field among `joining` (`content-type`, `:path`, `via`, ...) is
    appended to the first after a comma, as Envoy does. Pseudo-headers (`:path`) stay before all others.
    """

    __slots__ = ("_items", "_joined", "joining")

    def __init__(self, headers: HeadersLike = (), *, joining: Joined = Joined.NONE) -> None:
        self._items: list[tuple[bytes, bytes]] = []
        self.joining = joining
        self._joined = joining.value
        pairs = headers.items() if isinstance(headers, Mapping) else headers
        for name, value in pairs:
            self.add(to_bytes(name), to_bytes(value))

    def pairs(self) -> list[tuple[bytes, bytes]]:
        """Return all fields in order."""
        return list(self._items)

    def copy(self) -> HeaderMap:
        """Return an independent copy."""
        twin = HeaderMap(joining=self.joining)
        twin._items = list(self._items)
        return twin

    def add(self, name: bytes, value: bytes) -> None:
        """Append a field, keeping those of the same name."""
        name = name.lower()
        items = self._items
        if name in self._joined:
            for index, (other, old) in enumerate(items):
                if other == name:
                    items[index] = (name, old + b"," + value if old else value)
                    return
        if name[:1] == b":" and items and items[-1][0][:1] != b":":
            place = next(index for index, item in enumerate(items) if item[0][:1] != b":")
            items.insert(place, (name, value))
        else:
            items.append((name, value))

    def replace(self, name: bytes, value: bytes) -> None:
        """Set `name` to one value; as in Envoy it then stands last (pseudo-headers: last of their kind)."""
        self.remove(name)
        self.add(name, value)

    def remove(self, name: bytes) -> None:
        """Drop all fields called `name`."""
        name = name.lower()
        items = self._items
        for item in items:
            if item[0] == name:
                self._items = [item for item in items if item[0] != name]
                return

    def set_all(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """Replace everything by `pairs`."""
        self._items = []
        for name, value in pairs:
            self.add(name, value)

    def first(self, name: bytes) -> bytes | None:
        """Return the first value of `name`, or None where there is none."""
        name = name.lower()
        for other, value in self._items:
            if other == name:
                return value
        return None

    def get(self, name: Text, default: bytes | None = None) -> bytes | None:
        """Return the first value of `name`, else `default`."""
        value = self.first(to_bytes(name))
        return default if value is None else value

    def get_all(self, name: Text) -> list[bytes]:
        """Return all values of `name` in order."""
        wanted = to_bytes(name).lower()
        return [value for other, value in self._items if other == wanted]

    def text(self, name: Text, default: str = "") -> str:
        """Return the first value of `name` as text, undecodable bytes as backslash escapes."""
        value = self.first(to_bytes(name))
        return default if value is None else value.decode("utf-8", "backslashreplace")

    def byte_size(self) -> int:
        """Return the bytes of all names and values."""
        return sum(len(name) + len(value) for name, value in self._items)

    def __getitem__(self, name: Text) -> bytes:
        value = self.first(to_bytes(name))
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, (str, bytes)) and self.first(to_bytes(name)) is not None

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        return iter(list(self._items))

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, HeaderMap):
            return self._items == other._items
        if isinstance(other, (list, tuple, Mapping)):
            return self._items == HeaderMap(other, joining=self.joining)._items
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable: equal today, different tomorrow

    def __repr__(self) -> str:
        return f"HeaderMap({self._items!r})"
