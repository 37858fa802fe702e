"""Files that the build writes: two headers for the shim, and the zipped standard library."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

from leaksignal_wasm.runtime._tables import BOOTSTRAP_MODULES

if TYPE_CHECKING:
    from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def write_frozen(path: Path, modules: dict[str, bytes]) -> None:
    """Write the tables of hostcalls/shim/frozen.c."""
    lines, tables, blobs = [], {"boot": "", "rest": ""}, ""
    for number, (name, code) in enumerate(modules.items()):
        lines.append(f"static unsigned char blob{number}[] = {{{','.join(map(str, code))}}};")
        package = int(name == "encodings")
        table = "boot" if name in BOOTSTRAP_MODULES else "rest"
        tables[table] += f'    {{"{name}", blob{number}, {len(code)}, {package}, NULL}},\n'
        blobs += f"    {{blob{number}, {len(code)}}},\n"
    for table, rows in tables.items():
        lines.append(
            f"static const struct _frozen {table}[] = {{\n{rows}    {{NULL, NULL, 0, 0, NULL}},\n}};"
        )
    lines.append(f"static const struct {{ unsigned char *data; size_t size; }} blobs[] = {{\n{blobs}}};\n")
    path.write_text("\n".join(lines), encoding="utf-8")


def write_builtins(path: Path, modules: dict[str, str]) -> None:
    """Write the table of hostcalls/shim/builtins.c."""
    rows = " \\\n".join(f'    X("{name}", {init})' for name, init in sorted(modules.items()))
    path.write_text(f"#define BUILTIN_MODULES(X) \\\n{rows}\n", encoding="utf-8")


def write_stdlib(path: Path, stdlib: Path) -> None:
    """Pack the pure-Python standard library's sources, in a fixed order with a fixed date."""
    skipped = {
        "test",
        "tests",
        "idlelib",
        "lib2to3",
        "tkinter",
        "turtledemo",
        "ensurepip",
        "site-packages",
        "__pycache__",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(stdlib.rglob("*.py")):
            name = source.relative_to(stdlib)
            if not skipped.intersection(name.parts):
                archive.writestr(
                    zipfile.ZipInfo(name.as_posix(), _EPOCH), source.read_bytes(), zipfile.ZIP_DEFLATED
                )
