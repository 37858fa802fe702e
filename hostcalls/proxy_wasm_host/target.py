"""What is to be run: a module in wasm, or a filter's Python in this interpreter, behind one name."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proxy_wasm_host._limits import FailurePolicy
from proxy_wasm_host.errors import ProxyWasmHostError

if TYPE_CHECKING:
    from types import ModuleType

    from proxy_wasm_host._host import Host
    from proxy_wasm_host._module import Module
    from proxy_wasm_host._vm import Vm


class TargetError(ProxyWasmHostError):
    """A filter or module that can't be loaded."""


@dataclass(frozen=True)
class Target:
    """A module or a plugin class, loaded once and started as often as wanted. `kind` is `wasm` or `native`."""

    name: str
    kind: str
    loaded: Module | type[Any]

    def vm(
        self,
        host: Host,
        *,
        vm_id: str = "",
        configuration: bytes = b"",
        failure_policy: FailurePolicy = FailurePolicy.RAISE,
    ) -> Vm:
        """Start a new VM; where the policy is FAIL_RELOAD, a failed one is replaced for the next stream."""
        if isinstance(self.loaded, type):
            return host.native_vm(
                self.loaded, vm_id=vm_id, configuration=configuration, failure_policy=failure_policy
            )
        return host.vm(
            self.loaded,
            vm_id=vm_id,
            configuration=configuration,
            failure_policy=failure_policy,
            reload_seconds=0.0,
        )


def load_target(reference: str | Path) -> Target:
    """Load `FILE.wasm`, `FILE.py`, a package folder or a dotted module name, each Python one with `:Class` if need be.

    Raises `TargetError` where there is nothing to load or the import fails, and a `ModuleError` for unfit
    wasm.
    """
    text = str(reference)
    if text.endswith(".wasm"):
        return _wasm(text)
    place, _, class_name = text.rpartition(":") if ":" in Path(text).name else (text, "", "")
    from proxy_wasm import PluginDiscoveryError  # noqa: PLC0415 -- a module in wasm needs no SDK
    from proxy_wasm._discover import find_plugin  # noqa: PLC0415 -- as above

    try:
        return Target(text, "native", find_plugin(_import(place), class_name or None))
    except PluginDiscoveryError as error:
        raise TargetError(str(error), where=text) from None


def _wasm(path: str) -> Target:
    from proxy_wasm_host._module import Module  # noqa: PLC0415 -- natively nobody needs the engine

    try:
        return Target(path, "wasm", Module.load(path))
    except OSError as error:
        raise TargetError(
            f"can't be read: {error.strerror}", where=path, remedy="leaksignal-wasm build makes a module"
        ) from None


def _import(place: str) -> ModuleType:
    path = Path(place)
    if path.is_dir():
        path /= "__init__.py"
    if path.suffix != ".py":
        return _named(place)
    if not path.is_file():
        raise TargetError("no such file", where=place, remedy="name a .wasm module or a filter's .py file")
    # A name of its own: two filters may both be called filter.py.
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    name = f"{path.parent.name if path.name == '__init__.py' else path.stem}_{digest}"
    folders = [str(path.parent)] if path.name == "__init__.py" else None
    spec = importlib.util.spec_from_file_location(name, path, submodule_search_locations=folders)
    if spec is None or spec.loader is None:
        raise TargetError("can't be imported", where=place)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    beside = str(path.parent.parent if folders else path.parent)
    sys.path.insert(0, beside)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _import_failed(place, error) from error
    finally:
        sys.path.remove(beside)
    return module


def _import_failed(place: str, error: Exception) -> TargetError:
    """Say what went wrong and in which line, which is the user's."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    line = "" if isinstance(error, SyntaxError) else f", in {last.filename}:{last.lineno}"
    return TargetError(f"its import failed: {type(error).__name__}: {error}{line}", where=place)


def _named(place: str) -> ModuleType:
    try:
        return importlib.import_module(place)
    except ImportError as error:
        if error.name and place.startswith(error.name):
            raise TargetError(
                "neither a file nor a module",
                where=place,
                remedy="name a .wasm module or a filter's .py file",
            ) from None
        raise _import_failed(place, error) from error
