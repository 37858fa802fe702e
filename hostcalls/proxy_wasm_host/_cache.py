"""Compiled modules on disk, so that a module is compiled once a machine and engine version."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import tempfile
from importlib.metadata import version
from pathlib import Path

import wasmtime

from proxy_wasm_host._engine import CONFIGURATION, engine


def cache_folder() -> Path:
    """Return the folder of compiled modules, `leaksignal-wasm/compiled` in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "leaksignal-wasm" / "compiled"


def compiled(code: bytes, sha256: str, *, cache: bool) -> wasmtime.Module:
    """Return `code` compiled, from the cache if it is there; invalid code is a `wasmtime.WasmtimeError`."""
    if not cache:
        return wasmtime.Module(engine(), code)
    key = hashlib.sha256(
        "\n".join(
            (sha256, version("wasmtime"), CONFIGURATION, platform.machine(), platform.system())
        ).encode()
    ).hexdigest()
    path = cache_folder() / f"{key}.cwasm"
    # A truncated file or one of another processor is no error: compile anew.
    with contextlib.suppress(OSError, wasmtime.WasmtimeError):
        if path.is_file() and _intact(path):
            return wasmtime.Module.deserialize_file(engine(), str(path))
    module = wasmtime.Module(engine(), code)
    with contextlib.suppress(OSError):
        _store(path, bytes(module.serialize()))
    return module


def _intact(path: Path) -> bool:
    """Return whether the file is what was written: running a damaged one would be undefined."""
    digest = path.with_suffix(".sha256")
    with path.open("rb") as file:
        return digest.read_text("ascii") == hashlib.file_digest(file, "sha256").hexdigest()


def _store(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path.with_suffix(".sha256"), hashlib.sha256(data).hexdigest().encode("ascii"))
    _write(path, data)


def _write(path: Path, data: bytes) -> None:
    """Write whole or not at all, also with several processes at it."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
