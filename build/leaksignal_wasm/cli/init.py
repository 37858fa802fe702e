"""`leaksignal-wasm init`: a project that builds, with tests that pass."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leaksignal_wasm import __version__
from leaksignal_wasm.envoy_config import Upstream, WasmPlugin, proxy
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.manifest import to_yaml

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

_NAME = re.compile(r"[A-Za-z](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_SUFFIX = ".in"
_PORT, _UPSTREAM_PORT, _ADMIN_PORT = 10000, 8080, 9901


_EPILOG = """\b
Example:
  leaksignal-wasm init myfilter
"""


@click.command("init", epilog=_EPILOG)
@click.argument("name", type=click.Path(path_type=Path))
def command(name: Path) -> None:
    """Start a project in a new folder NAME: a filter, its tests, its Envoy configuration."""
    project = name.resolve().name
    if not _NAME.fullmatch(project):
        raise UserError(
            "not a name for a project", where=project, remedy="letters, digits, dots, dashes; a letter first"
        )
    files = _files(project)
    try:
        if name.exists() and (not name.is_dir() or any(name.iterdir())):
            raise UserError("is there already, and not empty", where=str(name), remedy="name a new folder")
        for path, text in files.items():
            target = name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't be written: {error.strerror}", where=str(error.filename or name)) from None
    for path in files:
        click.echo(name / path)
    click.echo(f"\nNext:\n  cd {name}\n  pytest\n  leaksignal-wasm run filter.py")


def _files(project: str) -> dict[str, str]:
    """Return path -> content of everything in the new project."""
    words = [word for word in re.split(r"[._-]+", project) if word]
    values = {
        "@NAME@": project,
        "@CLASS@": "".join(word[0].upper() + word[1:] for word in words),
        "@VERSION@": __version__,
    }
    root = resources.files("leaksignal_wasm") / "template"
    files = {}
    for path, source in _sources(root, ""):
        text = source.read_text(encoding="utf-8")
        for mark, value in values.items():
            text = text.replace(mark, value)
        files[path.replace("gitignore", ".gitignore")] = text
    plugin = WasmPlugin(Path("filter.wasm"), name=project, configuration={"greeting": "good day"})
    config = proxy([plugin], Upstream("127.0.0.1", _UPSTREAM_PORT), port=_PORT)
    config["admin"]["address"]["socket_address"]["port_value"] = _ADMIN_PORT
    return files | {"envoy.yaml": to_yaml(config)}


def _sources(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda found: found.name):
        if entry.is_dir():
            yield from _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield prefix + entry.name.removesuffix(_SUFFIX), entry
