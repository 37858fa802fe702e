"""The cache folder: compiled runtimes, so that a build doesn't compile the same WebAssembly again."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import wasmtime

_KEPT: Final = 8
"""Compiled runtimes to keep: some 10 MB each."""


def cache_folder() -> Path:
    """Give the project's folder in the user's cache (`XDG_CACHE_HOME`, else `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "leaksignal-wasm"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all; raises `OSError`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)  # noqa: PTH101 - mkstemp gives 0600; a module is no secret
        os.replace(temporary, path)  # noqa: PTH105 - both are strings
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)  # noqa: PTH108 - a string
        raise


def compiled(engine: wasmtime.Engine, binary: bytes, settings: str) -> wasmtime.Module:
    """Compile a module, or take what an earlier build compiled with the same wasmtime, CPU and settings.

    A cache that can't be written or read costs time, never the build.
    """
    machine = f"{platform.machine()} {platform.system()} {_processor()}"
    key = sha256(b"\0".join([binary, version("wasmtime").encode(), machine.encode(), settings.encode()]))
    path = cache_folder() / "compiled" / f"{key.hexdigest()}.cwasm"
    if path.is_file():
        with contextlib.suppress(wasmtime.WasmtimeError):
            return wasmtime.Module.deserialize_file(engine, str(path))
    module = wasmtime.Module(engine, binary)
    with contextlib.suppress(OSError):
        write_atomically(path, bytes(module.serialize()))
        newest = sorted(path.parent.glob("*.cwasm"), key=lambda x: x.stat().st_mtime, reverse=True)
        for old in newest[_KEPT:]:
            old.unlink()
    return module


def _processor() -> str:
    """Name the CPU model: wasmtime's code uses the features of the CPU it was made on."""
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        for line in lines:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
