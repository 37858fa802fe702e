from __future__ import annotations

import pkgutil
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from tests.proxy_wasm.scripted import ScriptedHost, http_vm, inside

import proxy_wasm
from proxy_wasm import _unbound, build_data, call_foreign_function, get_current_time_nanoseconds
from proxy_wasm._errors import _BY_STATUS, ProxyWasmError

ROOT = Path(__file__).parents[2]
INTERNAL = {"Constant", "Phase", "Pending", "Task", "Dispatcher", "Streams", "HostStatus", "bind", "Ended"}


def test_the_face_is_complete() -> None:
    """Every public class of a private module, and every public function of one made for filters, is in the face."""
    hidden = []
    for info in pkgutil.iter_modules(proxy_wasm.__path__):
        if not info.name.startswith("_"):
            continue
        module = import_module(f"proxy_wasm.{info.name}")
        hidden += [
            name
            for name, value in vars(module).items()
            if isinstance(value, type) and value.__module__ == module.__name__ and not name.startswith("_")
        ]
    assert set(hidden) - INTERNAL <= set(proxy_wasm.__all__)
    assert {name for name in proxy_wasm.__all__ if not hasattr(proxy_wasm, name)} == set()
    assert sorted(proxy_wasm.__all__) == proxy_wasm.__all__


def test_everything_public_is_documented() -> None:
    bare = []
    for name in proxy_wasm.__all__:
        thing = getattr(proxy_wasm, name)
        if isinstance(thing, type):
            bare += [
                f"{name}.{m}"
                for m, v in vars(thing).items()
                if callable(v) and not m.startswith("_") and not v.__doc__
            ]
        if not thing.__doc__:
            bare.append(name)
    assert bare == []


def test_errors_have_one_root_and_each_status_its_own() -> None:
    errors = [
        thing
        for name in proxy_wasm.__all__
        if name.endswith("Error")
        for thing in [getattr(proxy_wasm, name)]
    ]
    assert all(issubclass(error, ProxyWasmError) for error in errors)
    assert set(_BY_STATUS) == set(proxy_wasm.Status.names) - {0}
    assert len(set(_BY_STATUS.values())) == len(_BY_STATUS)
    tree = sys.modules["proxy_wasm._errors"].__doc__ or ""
    assert all(error.__name__ in tree for error in errors)


def test_the_native_look_alike_has_the_functions_of_the_contract() -> None:
    page = (ROOT / "docs" / "internals.md").read_text()
    seam = page[page.index("## Seam 1") : page.index("**Callbacks.**")]
    rows = [line.split("|")[1] for line in seam.splitlines() if line.startswith("| `")]
    promised = {name for row in rows for name in re.findall(r"(\w+)\(", row)}
    assert len(promised) > 40
    offered = {
        name
        for name, value in vars(_unbound).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", "") == _unbound.__name__
    } - {"HostStatus", "bind"}
    assert offered == promised
    assert promised - {"set_error_factory", "set_callbacks", "set_failure_response"} <= set(dir(ScriptedHost))


def test_importing_the_sdk_brings_nothing_of_the_standard_library_along() -> None:
    code = "import sys; before = set(sys.modules); import proxy_wasm, proxy_wasm._dispatch"
    code += "; print(*sorted(set(sys.modules) - before))"
    run = subprocess.run(
        [
            sys.executable,
            "-I",
            "-S",
            "-c",
            f"import sys; sys.path.append({str(ROOT / 'hostcalls')!r}); {code}",
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    # `__future__` holds names only; it is the price of annotations that are not evaluated.
    assert [name for name in run.stdout.split() if not name.startswith("proxy_wasm")] == ["__future__"]
    assert "proxy_wasm.logging" not in run.stdout


def test_functions_of_no_object() -> None:
    vm = http_vm(proxy_wasm.HttpContext)
    with inside(vm):
        assert call_foreign_function("reverse", "abc") == b"cba"
        with pytest.raises(proxy_wasm.NotFoundError, match="proxy_call_foreign_function: NOT_FOUND"):
            call_foreign_function("none")
        assert get_current_time_nanoseconds() == vm.host.now


def test_build_data(monkeypatch: pytest.MonkeyPatch) -> None:
    build = import_module("proxy_wasm._build")
    monkeypatch.setitem(build.DATA, "policy", b"compiled")
    assert build_data("policy") == b"compiled"
    assert build_data("none") is None
    monkeypatch.delitem(sys.modules, "proxy_wasm._build")
    assert build_data("policy") is None
