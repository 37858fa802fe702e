"""What the user asked to build: a file, a package folder or `module:Class`, as an importable module."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from leaksignal_wasm.errors import UserError

_RESERVED: Final = frozenset({"proxy_wasm", "_proxy_wasm", "re2"})
_FORMS: Final = "give a file (filter.py), a package folder, or module:Class"


@dataclass(frozen=True, slots=True)
class Target:
    """The module to import, where its project starts, and the class if the user named one."""

    module: str
    root: Path
    class_name: str | None = None

    file: Path | None = None
    """The module's file where it isn't found by name: `my-filter.py` is imported as `my_filter`."""

    @property
    def stem(self) -> str:
        """The name for the output file."""
        return self.file.stem if self.file else self.module.rpartition(".")[2]


def parse_target(text: str | Path, *, folder: Path | None = None) -> Target:
    """Understand what the user typed, relative to `folder` (default: the current one).

    Raises `UserError` if nothing of that name is there.
    """
    folder = folder or Path.cwd()
    given, _, class_name = str(text).partition(":") if ":" in Path(text).name else (str(text), "", "")
    if class_name and not class_name.isidentifier():
        raise UserError(f"'{class_name}' can't be the name of a class", where=str(text), remedy=_FORMS)
    path = folder / given
    if path.is_dir():
        return _package(path.resolve(), class_name or None)
    if path.is_file():
        return _file(path.resolve(), class_name or None)
    if given.endswith(".py") or "/" in given or not _dotted(given):
        raise UserError(f"there is no file or folder '{given}'", where=str(folder), remedy=_FORMS)
    return Target(given, folder.resolve(), class_name or None)


def _dotted(name: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))


def _file(path: Path, class_name: str | None) -> Target:
    if path.suffix != ".py":
        raise UserError("a filter is a Python file", where=str(path), remedy=_FORMS)
    if path.name == "__init__.py":
        return _package(path.parent, class_name)
    if (path.parent / "__init__.py").is_file():
        package = _package(path.parent, None)
        return Target(f"{package.module}.{path.stem}", package.root, class_name)
    name = re.sub(r"\W", "_", path.stem)
    _check(name, path)
    return Target(name, path.parent, class_name, file=path)


def _package(path: Path, class_name: str | None) -> Target:
    """Take the folder as a package; the folder above its outermost package is the project's root."""
    if not (path / "__init__.py").is_file():
        raise UserError(
            "this folder is not a package: it has no __init__.py",
            where=str(path),
            remedy=f"add one, or {_FORMS}",
        )
    parts = [path.name]
    root = path.parent
    while (root / "__init__.py").is_file():
        parts.insert(0, root.name)
        root = root.parent
    for part in parts:
        if not _dotted(part):
            raise UserError(
                f"'{part}' can't be the name of a Python package", where=str(path), remedy="rename it"
            )
    _check(parts[0], path)
    return Target(".".join(parts), root, class_name)


def _check(name: str, path: Path) -> None:
    if name in sys.stdlib_module_names or name in _RESERVED or keyword.iskeyword(name):
        raise UserError(
            f"'{name}' is the name of a module that filters import themselves",
            where=str(path),
            remedy="rename it, for example to " + path.with_stem(f"{path.stem}_filter").name,
        )
