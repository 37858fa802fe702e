"""A cursor over untrusted bytes: every read is bounds-checked and ends in a value or a `WasmFormatError`."""

from __future__ import annotations


class WasmFormatError(ValueError):
    """The bytes are not the WebAssembly that their place calls for.

    `offset` counts from the start of the module (or of the section, for sections decoded on their own).
    """

    def __init__(self, message: str, offset: int) -> None:
        self.offset = offset
        super().__init__(f"{message} at byte {offset:#x}")


class Reader:
    """Reads the primitive encodings of the WebAssembly binary format (core specification, section 5.2)."""

    __slots__ = ("_base", "_data", "_end", "_pos")

    def __init__(self, data: bytes, start: int = 0, end: int | None = None, *, base: int = 0) -> None:
        self._data = data
        self._pos = start
        self._end = len(data) if end is None else end
        self._base = base

    @property
    def position(self) -> int:
        """The index, in the bytes given to the reader, of the next byte."""
        return self._pos

    @property
    def remaining(self) -> int:
        """How many bytes are left."""
        return self._end - self._pos

    def fail(self, message: str) -> WasmFormatError:
        """Build the error for the current position; the caller raises it."""
        return WasmFormatError(message, self._base + self._pos)

    def byte(self) -> int:
        """Read one byte."""
        if self._pos >= self._end:
            raise self.fail("unexpected end")
        value = self._data[self._pos]
        self._pos += 1
        return value

    def take(self, count: int) -> bytes:
        """Read exactly `count` bytes."""
        if count > self._end - self._pos:
            raise self.fail(f"{count} bytes announced, {self._end - self._pos} left")
        start = self._pos
        self._pos += count
        return self._data[start : self._pos]

    def _unsigned(self, bits: int) -> int:
        result = shift = 0
        while True:
            if shift >= bits:
                raise self.fail(f"integer longer than {bits} bits")
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:  # noqa: PLR2004 - LEB128's continuation bit
                if result >> bits:
                    raise self.fail(f"integer larger than {bits} bits")
                return result

    def _signed(self, bits: int) -> int:
        result = shift = 0
        while True:
            if shift >= bits:
                raise self.fail(f"integer longer than {bits} bits")
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:  # noqa: PLR2004 - LEB128's continuation bit
                break
        if byte & 0x40:
            result -= 1 << shift
        if not -(1 << (bits - 1)) <= result < 1 << (bits - 1):
            raise self.fail(f"integer larger than {bits} bits")
        return result

    def u32(self) -> int:
        """Read an unsigned LEB128 of at most 32 bits."""
        return self._unsigned(32)

    def u64(self) -> int:
        """Read an unsigned LEB128 of at most 64 bits."""
        return self._unsigned(64)

    def s32(self) -> int:
        """Read a signed LEB128 of at most 32 bits."""
        return self._signed(32)

    def s33(self) -> int:
        """Read a signed LEB128 of at most 33 bits (block types)."""
        return self._signed(33)

    def s64(self) -> int:
        """Read a signed LEB128 of at most 64 bits."""
        return self._signed(64)

    def count(self, least: int = 1) -> int:
        """Read the length of a vector of items of at least `least` bytes, and make sure they can be there."""
        value = self.u32()
        if value * least > self.remaining:
            raise self.fail(f"{value} items announced, {self.remaining} bytes left")
        return value

    def name(self) -> str:
        """Read a UTF-8 name."""
        raw = self.take(self.u32())
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.fail("a name is not UTF-8") from None

    def finish(self) -> None:
        """Make sure that nothing is left."""
        if self.remaining:
            raise self.fail(f"{self.remaining} bytes too many")


def unsigned(value: int, width: int = 0) -> bytes:
    """Encode an unsigned LEB128, in at least `width` bytes."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if value or len(out) + 1 < width:
            out.append(byte | 0x80)
        else:
            out.append(byte)
            return bytes(out)


def signed(value: int) -> bytes:
    """Encode a signed LEB128."""
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        if (value == 0 and not byte & 0x40) or (value == -1 and byte & 0x40):
            out.append(byte)
            return bytes(out)
        out.append(byte | 0x80)


def name(text: str) -> bytes:
    """Encode a UTF-8 name."""
    raw = text.encode()
    return unsigned(len(raw)) + raw


def vector(items: list[bytes]) -> bytes:
    """Encode a vector of encoded items."""
    return unsigned(len(items)) + b"".join(items)
