"""A parsed module: its sections, decoded on demand."""

from __future__ import annotations

from functools import cached_property

from leaksignal_wasm.wasm import sections as s
from leaksignal_wasm.wasm.reader import Reader
from leaksignal_wasm.wasm.types import (
    VALUE_TYPES,
    Export,
    Global,
    Import,
    Kind,
    Limits,
    Segment,
    Signature,
)

_FUNCTION_FORM = 0x60
_CONSTANT_OPERATORS = frozenset({0x6A, 0x6B, 0x6C, 0x7C, 0x7D, 0x7E})  # extended constant expressions
_CUSTOM_PAGE_SIZE = 0x08


class Module:
    """A core module; every property raises `WasmFormatError` if its section is not well-formed."""

    def __init__(self, sections: list[s.Section]) -> None:
        self.sections = sections

    @classmethod
    def parse(cls, binary: bytes) -> Module:
        """Split a module's bytes; sections are decoded when asked for."""
        return cls(s.split(binary))

    def section(self, identifier: int) -> s.Section | None:
        """Find the section of that id (not for custom sections)."""
        return next((section for section in self.sections if section.id == identifier), None)

    def custom(self, title: str) -> bytes | None:
        """Give the content of the first custom section of that name."""
        return next((x.content for x in self.sections if x.id == s.CUSTOM and x.name == title), None)

    def reader(self, identifier: int) -> Reader:
        """Start reading a section; a missing section reads like an empty vector."""
        section = self.section(identifier)
        return Reader(section.payload if section else b"\0")

    @cached_property
    def types(self) -> list[Signature]:
        """All function types."""
        reader = self.reader(s.TYPE)
        found = []
        for _ in range(reader.count(3)):
            form = reader.byte()
            if form != _FUNCTION_FORM:
                raise reader.fail(f"type form {form:#x} is not a function type")
            parameters = tuple(_value_type(reader) for _ in range(reader.count()))
            found.append(Signature(parameters, tuple(_value_type(reader) for _ in range(reader.count()))))
        reader.finish()
        return found

    @cached_property
    def imports(self) -> list[Import]:
        """All imports, in order."""
        reader = self.reader(s.IMPORT)
        found = [_import(reader) for _ in range(reader.count(4))]
        reader.finish()
        return found

    @cached_property
    def imported_functions(self) -> list[Import]:
        """The function imports: they come first in the index space of functions."""
        return [x for x in self.imports if x.kind is Kind.FUNCTION]

    @cached_property
    def functions(self) -> list[int]:
        """The type index of each function defined here."""
        reader = self.reader(s.FUNCTION)
        found = [reader.u32() for _ in range(reader.count())]
        reader.finish()
        return found

    @cached_property
    def memories(self) -> list[Limits]:
        """The memories defined here."""
        reader = self.reader(s.MEMORY)
        found = [_limits(reader) for _ in range(reader.count(2))]
        reader.finish()
        return found

    @cached_property
    def globals(self) -> list[Global]:
        """The globals defined here."""
        reader = self.reader(s.GLOBAL)
        found = []
        for _ in range(reader.count(3)):
            value_type = _value_type(reader)
            mutable = reader.byte()
            if mutable > 1:
                raise reader.fail("a global is neither constant nor variable")
            found.append(Global(value_type, bool(mutable), _constant(reader)))
        reader.finish()
        return found

    @cached_property
    def exports(self) -> list[Export]:
        """All exports, in order."""
        reader = self.reader(s.EXPORT)
        found = []
        for _ in range(reader.count(3)):
            title = reader.name()
            found.append(Export(title, _kind(reader), reader.u32()))
        reader.finish()
        return found

    @cached_property
    def start(self) -> int | None:
        """The start function, if any."""
        if self.section(s.START) is None:
            return None
        reader = self.reader(s.START)
        index = reader.u32()
        reader.finish()
        return index

    @cached_property
    def bodies(self) -> list[bytes]:
        """The body of each function defined here, without its size."""
        reader = self.reader(s.CODE)
        found = [reader.take(reader.u32()) for _ in range(reader.count())]
        reader.finish()
        return found

    @cached_property
    def data(self) -> list[Segment]:
        """All data segments."""
        reader = self.reader(s.DATA)
        found = []
        for _ in range(reader.count(2)):
            flags = reader.u32()
            if flags > 2:  # noqa: PLR2004 - the forms of the specification are 0, 1 and 2
                raise reader.fail(f"data segment form {flags}")
            memory = reader.u32() if flags == 2 else 0  # noqa: PLR2004 - form 2 names its memory
            address = _constant(reader) if flags != 1 else None
            content = reader.take(reader.u32())
            found.append(Segment(address if memory == 0 else None, content, passive=flags == 1))
        reader.finish()
        return found

    @cached_property
    def function_names(self) -> dict[int, str]:
        """Function names of the `name` section, by function index; empty where there is none."""
        content = self.custom("name")
        if content is None:
            return {}
        reader = Reader(content)
        while reader.remaining:
            part = reader.byte()
            size = reader.u32()
            if part != 1:
                reader.take(size)
                continue
            inner = Reader(reader.take(size))
            return {inner.u32(): inner.name() for _ in range(inner.count(2))}
        return {}

    def signature(self, function: int) -> Signature:
        """Give a function's signature by its index (imports first); raises `IndexError` if there is none."""
        imported = self.imported_functions
        if function < len(imported):
            return self.types[imported[function].type_index]
        return self.types[self.functions[function - len(imported)]]

    def encode(self) -> bytes:
        """Put the module together again."""
        return s.join(self.sections)


def _value_type(reader: Reader) -> str:
    code = reader.byte()
    if code not in VALUE_TYPES:
        raise reader.fail(f"value type {code:#x}")
    return VALUE_TYPES[code]


def _kind(reader: Reader) -> Kind:
    code = reader.byte()
    if code > Kind.TAG:
        raise reader.fail(f"import or export kind {code}")
    return Kind(code)


def _limits(reader: Reader) -> Limits:
    flags = reader.byte()
    if flags >= _CUSTOM_PAGE_SIZE:
        raise reader.fail(f"limits with flags {flags:#x}")
    read = reader.u64 if flags & 4 else reader.u32
    minimum = read()
    return Limits(minimum, read() if flags & 1 else None, flags)


def _import(reader: Reader) -> Import:
    module, title = reader.name(), reader.name()
    kind = _kind(reader)
    if kind is Kind.FUNCTION:
        return Import(module, title, kind, type_index=reader.u32())
    if kind is Kind.MEMORY:
        return Import(module, title, kind, limits=_limits(reader))
    if kind is Kind.TABLE:
        _value_type(reader)
        return Import(module, title, kind, limits=_limits(reader))
    if kind is Kind.TAG:
        reader.byte()
        return Import(module, title, kind, type_index=reader.u32())
    _value_type(reader)
    reader.byte()
    return Import(module, title, kind)


def _constant(reader: Reader) -> int | None:
    """Read a constant expression; its value if it is one plain integer constant."""
    values: list[int | None] = []
    while True:
        opcode = reader.byte()
        if opcode == 0x0B:  # noqa: PLR2004 - end
            return values[0] if len(values) == 1 else None
        values.append(_constant_operator(reader, opcode))


def _constant_operator(reader: Reader, opcode: int) -> int | None:
    match opcode:
        case 0x41:  # i32.const
            return reader.s32()
        case 0x42:  # i64.const
            return reader.s64()
        case 0x43:  # f32.const
            reader.take(4)
        case 0x44:  # f64.const
            reader.take(8)
        case 0x23 | 0xD2:  # global.get, ref.func
            reader.u32()
        case 0xD0:  # ref.null
            _value_type(reader)
        case 0xFD:
            if reader.u32() != 12:  # noqa: PLR2004 - v128.const
                raise reader.fail("vector operator in a constant expression")
            reader.take(16)
        case _ if opcode in _CONSTANT_OPERATORS:
            pass
        case _:
            raise reader.fail(f"operator {opcode:#x} in a constant expression")
    return None
