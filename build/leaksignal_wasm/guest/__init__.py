"""Python that runs inside the wasm while a module is built; nothing here is imported outside of it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal


def script(name: Literal["bootstrap", "measure"], *arguments: object) -> bytes:
    """Give a script's source with a call of its `main` at the end, as `ls_exec` runs it."""
    source = (Path(__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return f"{source}\nmain({', '.join(map(ascii, arguments))})\n".encode()
