"""Where an import's source comes from: the project, the SDK, the standard library, pure-Python packages."""

from __future__ import annotations

import sys
import sysconfig
import zipfile
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final, Protocol

from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from leaksignal_wasm.builder.target import Target

_EXTENSION_SUFFIXES: Final = (".so", ".pyd", ".dylib")

UNSUPPORTED: Final[dict[str, str]] = {
    **dict.fromkeys(
        ("socket", "ssl", "select", "selectors", "socketserver", "_socket", "_ssl"),
        "a filter has no sockets; Envoy makes calls for it (http_call, grpc_call of the SDK)",
    ),
    "asyncio": "a filter runs in Envoy's event loop; write an async callback and await the SDK's calls",
    **dict.fromkeys(
        ("subprocess", "multiprocessing", "_posixsubprocess", "_multiprocessing", "pty"),
        "a filter can't start processes",
    ),
    **dict.fromkeys(("ctypes", "_ctypes"), "there are no shared libraries inside a wasm module"),
    **dict.fromkeys(
        ("sqlite3", "dbm", "mmap", "_sqlite3", "fcntl", "termios", "tty", "resource", "pwd", "grp", "syslog"),
        "a filter has no operating system to ask",
    ),
    **dict.fromkeys(
        ("tkinter", "_tkinter", "curses", "_curses", "readline", "turtle", "idlelib"),
        "a filter has no screen",
    ),
}
"""Modules of the standard library that can't work inside a wasm module, and why."""


class Origin(Enum):
    """Whose code a module is."""

    PROJECT = "filter"
    SDK = "sdk"
    STDLIB = "python"
    DEPENDENCY = "dependency"


@dataclass(frozen=True, slots=True)
class Source:
    """A module's source and what the guest needs to know of it."""

    name: str
    shown: str
    """The path in tracebacks: the same on every machine."""
    package: bool
    origin: Origin
    text: bytes = field(repr=False)

    @property
    def optimize(self) -> int:
        """The level for `compile`: users keep their asserts and docstrings, what we bring needs neither."""
        return 2 if self.origin in (Origin.STDLIB, Origin.SDK) else 0


@dataclass(frozen=True, slots=True)
class Absent:
    """A module that can't come along, and why."""

    name: str
    reason: str
    remedy: str | None = None


class _Place(Protocol):
    """A folder that modules are looked for in."""

    @property
    def origin(self) -> Origin: ...
    def child(self, name: str) -> _Place | None: ...
    def read(self, file: str) -> bytes | None: ...
    def extension(self, name: str) -> str | None: ...
    def shown(self, file: str) -> str: ...


@dataclass(frozen=True)
class _Folder:
    path: Path
    prefix: PurePosixPath
    origin: Origin
    only: str | None = None
    """The one module this folder offers (the SDK's folder holds more than the SDK)."""

    @cached_property
    def names(self) -> frozenset[str]:
        try:
            return frozenset(entry.name for entry in self.path.iterdir())
        except OSError:
            return frozenset()

    def _offered(self, name: str) -> bool:
        return name in self.names and (self.only is None or name == self.only)

    def child(self, name: str) -> _Place | None:
        path = self.path / name
        return (
            _Folder(path, self.prefix / name, self.origin) if self._offered(name) and path.is_dir() else None
        )

    def read(self, file: str) -> bytes | None:
        path = self.path / file
        if not self._offered(file) or not path.is_file():
            return None
        try:
            return path.read_bytes()
        except OSError as error:
            raise UserError(f"can't be read: {error.strerror}", where=str(path)) from error

    def extension(self, name: str) -> str | None:
        """Find a compiled module of that name: `x.so`, `x.cpython-311-x86_64-linux-gnu.so`, `x.pyd`."""
        if self.only is not None:
            return None
        return next(
            (x for x in sorted(self.names) if x.startswith(f"{name}.") and x.endswith(_EXTENSION_SUFFIXES)),
            None,
        )

    def shown(self, file: str) -> str:
        return str(self.prefix / file) if file else f"{self.prefix}/"


@dataclass(frozen=True)
class _Zipped:
    archive: zipfile.ZipFile
    inside: str
    prefix: str
    origin: Origin
    entries: frozenset[str]

    def child(self, name: str) -> _Place | None:
        inside = f"{self.inside}{name}/"
        known = any(entry.startswith(inside) for entry in self.entries)
        return _Zipped(self.archive, inside, self.prefix, self.origin, self.entries) if known else None

    def read(self, file: str) -> bytes | None:
        entry = self.inside + file
        return self.archive.read(entry) if entry in self.entries else None

    def extension(self, name: str) -> str | None:  # noqa: ARG002 - an archive of sources has none
        return None

    def shown(self, file: str) -> str:
        return f"{self.prefix}/{self.inside}{file}"


class Sources:
    """Answers the guest's question for a module by its dotted name, in Python's own order."""

    def __init__(self, target: Target, stdlib: Path, *, python: str, extra: Sequence[Path] = ()) -> None:
        self._target = target
        sdk = _sdk()
        archive = zipfile.ZipFile(stdlib)
        entries = frozenset(archive.namelist())
        none = PurePosixPath()
        library = PurePosixPath("site-packages")
        self.searched = [target.root, *extra, *_import_path(target.root)]
        self._roots: list[_Place] = [
            _Folder(sdk.parent, none, Origin.SDK, only=sdk.name),
            _Folder(target.root, none, Origin.PROJECT),
            _Zipped(archive, "", f"python{'.'.join(python.split('.')[:2])}", Origin.STDLIB, entries),
            *(_Folder(path, none, Origin.PROJECT) for path in extra),
            *(_Folder(path, library, Origin.DEPENDENCY) for path in _import_path(target.root)),
        ]
        self._inside: dict[str, list[_Place]] = {}

    def find(self, name: str) -> Source | Absent:
        """Find a module's source, or say why it can't come along."""
        if name == self._target.module and self._target.file:
            file = self._target.file
            return Source(name, file.name, package=False, origin=Origin.PROJECT, text=file.read_bytes())
        parent, _, tail = name.rpartition(".")
        if parent and parent not in self._inside:
            self.find(parent)
        places = self._inside.get(parent, []) if parent else self._roots
        for place in places:
            if name in UNSUPPORTED and place.origin is Origin.STDLIB:
                return Absent(name, UNSUPPORTED[name])
            found = self._in(place, name, tail)
            if found:
                return found
        portions = [child for place in places if (child := place.child(tail))]
        if portions:
            self._inside[name] = portions
            return Source(name, portions[0].shown(""), package=True, origin=portions[0].origin, text=b"")
        return self._absent(name)

    def _in(self, place: _Place, name: str, tail: str) -> Source | Absent | None:
        """Look in one folder, as Python does, but take source where there is a compiled twin."""
        child = place.child(tail)
        if child and (text := child.read("__init__.py")) is not None:
            self._inside[name] = [child]
            return Source(name, child.shown("__init__.py"), package=True, origin=child.origin, text=text)
        if (text := place.read(f"{tail}.py")) is not None:
            return Source(name, place.shown(f"{tail}.py"), package=False, origin=place.origin, text=text)
        if compiled := place.extension(tail):
            return Absent(
                name,
                f"{place.shown(compiled)} is machine code, which can't run inside a wasm module",
                "use a pure-Python package, or one that falls back to pure Python",
            )
        return None

    def _absent(self, name: str) -> Absent:
        if name.partition(".")[0] in sys.stdlib_module_names:
            return Absent(name, "this part of the standard library is not available inside a wasm module")
        return Absent(
            name,
            "not found in " + ", ".join(str(path) for path in self.searched),
            "install it into this environment, or name its folder with --path",
        )


def _sdk() -> Path:
    """Find the folder of the SDK without importing it."""
    spec = find_spec("proxy_wasm")
    assert spec  # noqa: S101 - it is installed with this package
    assert spec.submodule_search_locations  # noqa: S101 - it is a package
    return Path(spec.submodule_search_locations[0])


def _import_path(root: Path) -> list[Path]:
    """Give the folders packages are imported from: `sys.path` without the standard library's and the command's own."""
    own = {Path(path).resolve() for path in _other_folders()}
    found: dict[Path, None] = {}
    for entry in sys.path:
        path = Path(entry).resolve()
        if entry and path.is_dir() and path not in own and path != root:
            found[path] = None
    return list(found)


def _other_folders() -> Iterable[str]:
    yield sysconfig.get_path("scripts")
    for key in ("stdlib", "platstdlib"):
        folder = sysconfig.get_path(key)
        yield folder
        yield str(Path(folder) / "lib-dynload")
