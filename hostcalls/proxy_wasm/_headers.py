"""Headers, trailers and gRPC metadata as ordered multi-maps: bytes first, with a text view that never raises.

Names compare without regard to case, order and repetition are kept, and an empty value is not a missing one.
The host keeps the maps (v0.2.1, "HTTP fields"); :class:`HeaderMap` only asks it, so that a callback pays for
what it looks at.

Text is UTF-8 with ``surrogateescape``: a byte that is not UTF-8 becomes a lone surrogate and turns into the
same byte again on its way back, so reading never fails and writing loses nothing.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._errors import InvalidHeaderError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    HeaderInput = (
        Mapping[str, str | bytes] | Mapping[bytes, str | bytes] | Iterable[tuple[str | bytes, str | bytes]]
    )


def to_bytes(text: str | bytes, /) -> bytes:
    """Bytes of a header name or value.

    Text is encoded as UTF-8, with the surrogates of the text view turned back.
    """
    if isinstance(text, str):
        return text.encode("utf-8", "surrogateescape")
    return text if type(text) is bytes else bytes(memoryview(text))


def to_text(data: bytes, /) -> str:
    """The text view of a value; see the module's docstring."""
    return data.decode("utf-8", "surrogateescape")


_names: dict[str | bytes, bytes] = {}
"""Checked names by what they were made of: a filter writes the same few again and again."""

_MOST_NAMES = 256


def checked_name(name: str | bytes) -> bytes:
    """The name as bytes.

    Raises :class:`InvalidHeaderError` if it is empty or holds NUL, CR or LF: hosts do not check, and the next
    proxy would read another header.
    """
    try:
        return _names[name]
    except (KeyError, TypeError):  # TypeError: a bytearray, which cannot be remembered
        pass
    raw = to_bytes(name)
    if not raw or b"\n" in raw or b"\r" in raw or b"\0" in raw:
        raise InvalidHeaderError(f"header name {name!r}: empty, or with NUL, CR or LF in it")
    if len(_names) < _MOST_NAMES and isinstance(name, (str, bytes)):
        _names[name] = raw
    return raw


def checked_value(name: str | bytes, value: str | bytes) -> bytes:
    """The value as bytes; raises :class:`InvalidHeaderError` if it holds NUL, CR or LF."""
    if type(value) is str and value.isprintable():  # no control characters, no surrogates
        return value.encode()
    raw = to_bytes(value)
    if b"\n" in raw or b"\r" in raw or b"\0" in raw:
        raise InvalidHeaderError(f"value of header {name!r}: NUL, CR or LF in it; a value is one line")
    return raw


def to_pairs(headers: HeaderInput) -> list[tuple[bytes, bytes]]:
    """Checked pairs of what callers may give for headers.

    A mapping, or pairs where order or repetition matter.
    """
    items = headers.items() if hasattr(headers, "items") else headers
    return [(checked_name(name), checked_value(name, value)) for name, value in items]


class Headers:
    """A multi-map that was read once and stays as it is, such as a call-out's response headers."""

    __slots__ = ("_items",)

    def __init__(self, items: list[tuple[bytes, bytes]]) -> None:
        self._items = items

    def items(self) -> list[tuple[bytes, bytes]]:
        """All pairs in order, repeated names included."""
        return self._items

    def get(self, name: str | bytes) -> bytes | None:
        """The first value of ``name``, ``None`` if there is none. An empty value is ``b""``."""
        wanted = to_bytes(name).lower()
        for key, value in self.items():
            if key.lower() == wanted:
                return value
        return None

    def get_all(self, name: str | bytes) -> list[bytes]:
        """Every value of ``name`` in order."""
        wanted = to_bytes(name).lower()
        return [value for key, value in self.items() if key.lower() == wanted]

    def keys(self) -> list[bytes]:
        """The names in order, one for each pair."""
        return [name for name, _ in self.items()]

    def values(self) -> list[bytes]:
        """The values in order."""
        return [value for _, value in self.items()]

    @property
    def text(self) -> TextHeaders:
        """The same map as text."""
        return TextHeaders(self)

    def __getitem__(self, name: str | bytes) -> bytes:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str | bytes) and self.get(name) is not None

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self.items())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.items()!r})"


class TextHeaders:
    """The text view of a multi-map. It reads; to write, give text to the map itself."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Headers) -> None:
        self._headers = headers

    def get(self, name: str | bytes) -> str | None:
        """The first value of ``name``, ``None`` if there is none."""
        value = self._headers.get(name)
        return None if value is None else to_text(value)

    def get_all(self, name: str | bytes) -> list[str]:
        """Every value of ``name`` in order."""
        return [to_text(value) for value in self._headers.get_all(name)]

    def items(self) -> list[tuple[str, str]]:
        """All pairs in order, repeated names included."""
        return [(to_text(name), to_text(value)) for name, value in self._headers.items()]

    def keys(self) -> list[str]:
        """The names in order, one for each pair."""
        return [to_text(name) for name in self._headers.keys()]  # noqa: SIM118 - a multi-map, not a dict

    def __getitem__(self, name: str | bytes) -> str:
        return to_text(self._headers[name])

    def __contains__(self, name: object) -> bool:
        return name in self._headers

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len(self._headers)

    def __repr__(self) -> str:
        return f"TextHeaders({self.items()!r})"


class HeaderMap(Headers):
    """One of the host's maps, of the effective stream. A method is one host call unless it says otherwise.

    Raises :class:`BadArgumentError` where the host has no such map in this callback.
    """

    __slots__ = ("_map",)

    def __init__(self, map_type: int) -> None:
        self._map = int(map_type)

    def items(self) -> list[tuple[bytes, bytes]]:
        """All pairs in order, repeated names included. Hosts write names in lower case."""
        return host.get_header_map_pairs(self._map)

    def get(self, name: str | bytes) -> bytes | None:
        """The first value of ``name``, ``None`` if there is none. An empty value is ``b""``."""
        return host.get_header_map_value(self._map, name if type(name) is bytes else to_bytes(name))

    def add(self, name: str | bytes, value: str | bytes) -> None:
        """Add a pair at the end, whether or not the name is there."""
        host.add_header_map_value(self._map, checked_name(name), checked_value(name, value))

    def replace(self, name: str | bytes, value: str | bytes) -> None:
        """Make ``value`` the only value of ``name``, which need not be there."""
        host.replace_header_map_value(self._map, checked_name(name), checked_value(name, value))

    def remove(self, name: str | bytes) -> None:
        """Remove every value of ``name``; not an error if there is none."""
        host.remove_header_map_value(self._map, checked_name(name))

    def set(self, name: str | bytes, *values: str | bytes) -> None:
        """Make ``values`` the values of ``name``, in this order.

        One host call a value; none at all removes the name.
        """
        key = checked_name(name)
        raw = [checked_value(name, value) for value in values]
        if not raw:
            host.remove_header_map_value(self._map, key)
            return
        host.replace_header_map_value(self._map, key, raw[0])
        for value in raw[1:]:
            host.add_header_map_value(self._map, key, value)

    def replace_all(self, headers: HeaderInput) -> None:
        """Replace the whole map, pseudo-headers (``:path``, ``:status``, ...) included."""
        host.set_header_map_pairs(self._map, to_pairs(headers))

    @property
    def byte_size(self) -> int:
        """Bytes that the host counts for the map; how is the host's own affair."""
        return host.get_header_map_size(self._map)

    __setitem__ = replace
    __delitem__ = remove
