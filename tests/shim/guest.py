"""The runtime under wasmtime with a scripted host: each host call is recorded, and answered as the test says."""

from __future__ import annotations

import ast
import struct
import zipfile
from collections.abc import Callable
from functools import cache
from typing import Any

import wasmtime

from leaksignal_wasm.runtime import Runtime, locate

# How to read a host call's raw arguments: i number, l 64-bit number, s (pointer, size) in,
# O pointer to a 32-bit answer, Q to a 64-bit one, D (pointer to pointer, pointer to size) for an answer in bytes.
SPEC = {
    "proxy_log": "is",
    "proxy_get_log_level": "O",
    "proxy_get_current_time_nanoseconds": "Q",
    "proxy_set_tick_period_milliseconds": "i",
    "proxy_get_status": "OD",
    "proxy_set_effective_context": "i",
    "proxy_done": "",
    "proxy_get_buffer_bytes": "iiiD",
    "proxy_get_buffer_status": "iOO",
    "proxy_set_buffer_bytes": "iiis",
    "proxy_get_header_map_size": "iO",
    "proxy_get_header_map_pairs": "iD",
    "proxy_set_header_map_pairs": "is",
    "proxy_get_header_map_value": "isD",
    "proxy_add_header_map_value": "iss",
    "proxy_replace_header_map_value": "iss",
    "proxy_remove_header_map_value": "is",
    "proxy_continue_stream": "i",
    "proxy_close_stream": "i",
    "proxy_send_local_response": "isssi",
    "proxy_http_call": "ssssiO",
    "proxy_grpc_call": "sssssiO",
    "proxy_grpc_stream": "ssssO",
    "proxy_grpc_send": "isi",
    "proxy_grpc_cancel": "i",
    "proxy_grpc_close": "i",
    "proxy_get_shared_data": "sDO",
    "proxy_set_shared_data": "ssi",
    "proxy_register_shared_queue": "sO",
    "proxy_resolve_shared_queue": "ssO",
    "proxy_enqueue_shared_queue": "is",
    "proxy_dequeue_shared_queue": "iD",
    "proxy_define_metric": "isO",
    "proxy_record_metric": "il",
    "proxy_increment_metric": "il",
    "proxy_get_metric": "iQ",
    "proxy_get_property": "sD",
    "proxy_set_property": "ss",
    "proxy_call_foreign_function": "ssD",
}

_FINDER = """
import sys, _proxy_wasm
class _Finder:
    def find_spec(self, name, path=None, target=None):
        source = _proxy_wasm.call_foreign_function(b"test.source", name.encode())
        if source is None:
            return None
        package = source[:1] == b"1"
        spec = type(sys.__spec__)(name, self, is_package=package)
        spec.loader_state = source[1:]
        return spec
    def create_module(self, spec):
        return None
    def exec_module(self, module):
        exec(compile(module.__spec__.loader_state, module.__name__, "exec", 0, True), module.__dict__)
sys.meta_path[:] = [*sys.meta_path[:2], _Finder()]
def report(value):
    _proxy_wasm.call_foreign_function(b"test.report", repr(value).encode())
"""

Answer = int | tuple[Any, ...] | Callable[..., Any]


@cache
def runtime() -> Runtime:
    return locate()


@cache
def engine() -> wasmtime.Engine:
    config = wasmtime.Config()
    config.cache = True
    config.max_wasm_stack = 1 << 20  # about what V8 gives
    return wasmtime.Engine(config)


@cache
def compiled() -> wasmtime.Module:
    return wasmtime.Module.from_file(engine(), str(runtime().path))


@cache
def _stdlib() -> dict[str, bytes]:
    with zipfile.ZipFile(runtime().stdlib_zip) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


class Guest:
    """One VM. `script` maps a host call to a status, to (status, answers...), or to a function of the inputs."""

    def __init__(self, *, started: bool = True, memory_limit: int = -1) -> None:
        self.store = wasmtime.Store(engine())
        self.store.set_limits(memory_size=memory_limit)
        self.script: dict[str, Answer] = {}
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.logs: list[tuple[int, str]] = []
        self.reports: list[Any] = []
        self.environment: dict[str, str] = {}
        self.random = 0
        self.clocks = {0: 1_700_000_000_000_000_000, 1: 5_000_000_000}
        linker = wasmtime.Linker(engine())
        for wanted in compiled().imports:
            self._define(linker, wanted)
        self.exports = linker.instantiate(self.store, compiled()).exports(self.store)
        self.memory: wasmtime.Memory = self.exports["memory"]  # type: ignore[assignment]  # it is one
        if started:
            self.call("_initialize")
            assert self.call("ls_initialize") == 0, self.logs
            self.run(_FINDER)

    def _define(self, linker: wasmtime.Linker, wanted: wasmtime.ImportType) -> None:
        assert wanted.name is not None
        if wanted.module == "env":
            answer: Callable[..., int] = self._host_call(wanted.name)
        else:
            answer = getattr(self, f"_{wanted.name}")
        linker.define_func(wanted.module, wanted.name, wanted.type, answer)  # type: ignore[arg-type]  # a function

    # ---- memory ----

    def read(self, address: int, size: int) -> bytes:
        return bytes(self.memory.read(self.store, address, address + size)) if size else b""

    def write(self, address: int, data: bytes) -> None:
        self.memory.write(self.store, data, address)

    def pages(self) -> int:
        return self.memory.size(self.store)

    def fork(self) -> Guest:
        """Return a new VM of the same snapshot."""
        other = Guest(started=False)
        other.memory.grow(other.store, self.pages() - other.pages())
        other.write(0, self.read(0, self.pages() * 65536))
        return other

    # ---- the guest's side ----

    def call(self, name: str, *arguments: int) -> Any:
        return self.exports[name](self.store, *arguments)  # type: ignore[operator]  # a function

    def attempt(self, source: str) -> int:
        data = source.encode()
        address = self.call("ls_malloc", len(data))
        self.write(address, data)
        result = self.call("ls_exec", address, len(data))
        self.call("ls_free", address)
        assert isinstance(result, int)
        return result

    def run(self, source: str) -> None:
        assert self.attempt(source) == 0, "\n".join(text for _, text in self.logs)

    def value(self, expression: str) -> Any:
        self.run(f"report({expression})")
        return self.reports.pop()

    def seal(self, flags: int = 0) -> None:
        assert self.call("ls_seal", flags) == 0, self.logs

    # ---- the host's side ----

    def _host_call(self, name: str) -> Callable[..., int]:
        spec = SPEC[name]

        def answer(*raw: int) -> int:
            inputs, pointers = self._inputs(spec, list(raw))
            reply = self._reply(name, inputs)
            status, *answers = reply if isinstance(reply, tuple) else (reply,)
            if status == 0:
                self._outputs(pointers, answers)
            assert isinstance(status, int)
            return status

        return answer

    def _inputs(self, spec: str, raw: list[int]) -> tuple[tuple[Any, ...], list[tuple[str, list[int]]]]:
        inputs: list[Any] = []
        pointers = []
        for letter in spec:
            first = raw.pop(0)
            if letter == "s":
                inputs.append(self.read(first, raw.pop(0)))
            elif letter in "il":
                inputs.append(first)
            else:
                pointers.append((letter, [first, raw.pop(0)] if letter == "D" else [first]))
        return tuple(inputs), pointers

    def _reply(self, name: str, inputs: tuple[Any, ...]) -> Any:
        if name == "proxy_call_foreign_function" and inputs[0].startswith(b"test."):
            return self._service(*inputs)
        if name == "proxy_log":
            self.logs.append((inputs[0], inputs[1].decode(errors="replace")))
        self.calls.append((name, inputs))
        reply = self.script.get(name, 0)
        return reply(*inputs) if callable(reply) else reply

    def _service(self, name: bytes, argument: bytes) -> Any:
        if name == b"test.report":
            self.reports.append(ast.literal_eval(argument.decode()))
            return 0
        path = argument.decode().replace(".", "/")
        for found, kind in ((f"{path}/__init__.py", b"1"), (f"{path}.py", b"0")):
            if found in _stdlib():
                return 0, kind + _stdlib()[found]
        return 1

    def _outputs(self, pointers: list[tuple[str, list[int]]], answers: list[Any]) -> None:
        for (letter, where), answer in zip(pointers, answers, strict=False):
            if letter == "O":
                self.write(where[0], struct.pack("<I", answer))
            elif letter == "Q":
                self.write(where[0], struct.pack("<Q", answer))
            else:
                address = self.call("proxy_on_memory_allocate", len(answer)) if answer else 0
                if answer:
                    self.write(address, answer)
                self.write(where[0], struct.pack("<I", address))
                self.write(where[1], struct.pack("<I", len(answer)))

    def _environ_sizes_get(self, count: int, size: int) -> int:
        entries = [f"{key}={value}".encode() + b"\0" for key, value in self.environment.items()]
        self.write(count, struct.pack("<I", len(entries)))
        self.write(size, struct.pack("<I", sum(map(len, entries))))
        return 0

    def _environ_get(self, entries: int, text: int) -> int:
        for key, value in self.environment.items():
            entry = f"{key}={value}".encode() + b"\0"
            self.write(entries, struct.pack("<I", text))
            self.write(text, entry)
            entries, text = entries + 4, text + len(entry)
        return 0

    def _clock_time_get(self, clock: int, _precision: int, result: int) -> int:
        self.write(result, struct.pack("<Q", self.clocks[clock]))
        return 0

    def _random_get(self, buffer: int, size: int) -> int:
        assert size <= 65536
        self.random += 1
        self.write(buffer, bytes((self.random * 37 + i) % 256 for i in range(size)))
        return 0
