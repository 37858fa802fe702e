"""YAML with places: every value knows its file, line and path, so that errors can name them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from proxy_wasm_host.errors import ProxyWasmHostError

if TYPE_CHECKING:
    from collections.abc import Collection


class TestFileError(ProxyWasmHostError):
    """A test file that can't be understood; `where` is `FILE:LINE: PATH`."""

    __test__ = False


@dataclass(frozen=True)
class Node:
    """A value in a YAML document.

    `value` is a dict of nodes, a list of nodes, or a scalar as YAML reads it; `raw` is a scalar as it stands
    in the file (`yes` and `1.0` are texts where a text is wanted).
    """

    value: Any
    raw: str | None
    file: str
    line: int
    path: str

    @property
    def where(self) -> str:
        """`FILE:LINE: PATH`."""
        return f"{self.file}:{self.line}" + (f": {self.path}" if self.path else "")

    def error(self, what: str, remedy: str | None = None) -> TestFileError:
        """Make an error about this place."""
        return TestFileError(what, where=self.where, remedy=remedy)

    @property
    def is_mapping(self) -> bool:
        """Whether this is a mapping."""
        return isinstance(self.value, dict)

    @property
    def is_list(self) -> bool:
        """Whether this is a list."""
        return isinstance(self.value, list)

    @property
    def is_null(self) -> bool:
        """Whether nothing stands here (or `null`)."""
        return self.value is None

    def mapping(self) -> dict[str, Node]:
        """Return the members of a mapping with keys of any name."""
        if not isinstance(self.value, dict):
            raise self.error(f"a mapping is expected, found {self.kind}")
        return self.value

    def fields(self, known: Collection[str]) -> dict[str, Node]:
        """Return the members of a mapping that may have these keys only."""
        found = self.mapping()
        for key, node in found.items():
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"
                raise node.error(f"unknown key '{key}'", hint)
        return found

    def items(self) -> list[Node]:
        """Return the elements of a list."""
        if not isinstance(self.value, list):
            raise self.error(f"a list is expected, found {self.kind}")
        return self.value

    def one_or_more(self) -> list[Node]:
        """Return the elements of a list, or this alone."""
        return self.items() if self.is_list else [self]

    def text(self) -> str:
        """Return a scalar as text."""
        if self.raw is None or self.is_null:
            raise self.error(f"a text is expected, found {self.kind}")
        return self.raw

    def integer(self, least: int = 0) -> int:
        """Return an integer of at least `least`."""
        if type(self.value) is not int or self.value < least:
            raise self.error(f"a number of at least {least} is expected, found {self.kind}")
        return self.value

    def number(self) -> float:
        """Return a number that is not negative."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float) or self.value < 0:
            raise self.error(f"a number is expected, found {self.kind}")
        return float(self.value)

    def boolean(self) -> bool:
        """Return true or false."""
        if not isinstance(self.value, bool):
            raise self.error(f"true or false is expected, found {self.kind}")
        return self.value

    def plain(self) -> Any:
        """Return the value as plain Python, all the way down."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    @property
    def kind(self) -> str:
        """What this is, for messages."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        return "nothing" if self.is_null else f"'{self.raw}'"


def load_document(path: str | Path) -> Node:
    """Read a YAML file. Raises `TestFileError`."""
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise TestFileError(f"can't be read: {error.strerror}", where=name) from None
    except UnicodeDecodeError as error:
        raise TestFileError(f"not UTF-8: byte {error.start}", where=name) from None
    loader = yaml.SafeLoader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise TestFileError("an empty file", where=name)
        return _node(loader, root, name, "")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        raise TestFileError(f"not YAML: {getattr(error, 'problem', None) or error}", where=where) from None
    except RecursionError:
        raise TestFileError("an alias that contains itself, or too deep", where=name) from None
    finally:
        loader.dispose()


def _node(loader: yaml.SafeLoader, node: yaml.Node, file: str, path: str) -> Node:
    line = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        members: dict[str, Node] = {}
        for key, value in node.value:
            name = str(key.value)
            inner = f"{path}.{name}" if path else name
            if name in members:
                raise TestFileError(
                    f"'{name}' stands here twice", where=f"{file}:{key.start_mark.line + 1}: {path}"
                )
            found = _node(loader, value, file, inner)
            # A key's own line is where people look; its value may begin further down.
            members[name] = Node(found.value, found.raw, file, key.start_mark.line + 1, inner)
        return Node(members, None, file, line, path)
    if isinstance(node, yaml.SequenceNode):
        return Node(
            [_node(loader, child, file, f"{path}[{at}]") for at, child in enumerate(node.value)],
            None,
            file,
            line,
            path,
        )
    return Node(loader.construct_object(node), str(node.value), file, line, path)
