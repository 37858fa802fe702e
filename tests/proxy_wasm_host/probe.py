"""A module whose callbacks are written in the test.

Each callback of the module asks the test (by a foreign function) what to do; from there the test makes any host call
through the module's own imports, with any numbers, and says what the callback answers. So every call goes
the whole way: wasm import, memory, semantics, and back.
"""

from __future__ import annotations

import functools
import struct
from typing import TYPE_CHECKING, Any

from proxy_wasm_host import AbiVersion, FailurePolicy, Host, Limits, Module, Plugin, VirtualClock
from proxy_wasm_host._abi import WASI_IMPORTS, callbacks, env_imports
from proxy_wasm_host._pairs import parse, serialise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from proxy_wasm_host._wasm_vm import WasmVm

    Handler = Callable[..., int | bool | None]

TYPES = {"i": "i32", "I": "i64"}
ANSWER = 16  # where a callback finds its answer
ARGUMENTS = 32  # where it puts its arguments
NAMES = 256
REFUSE_MEMORY = 24  # not 0: malloc answers 0
SCRATCH = 8192  # what the test writes
HEAP = 65536
PAGES = 64
MEMORY = PAGES * 65536
TRUE_BY_DEFAULT = {"proxy_on_vm_start", "proxy_on_configure", "proxy_on_done", "proxy_validate_configuration"}


def wat(
    abi: AbiVersion = AbiVersion.V0_2_1,
    only: Iterable[str] | None = None,
    *,
    extra: str = "",
    wasi: bool = True,
) -> str:
    """Return the module's text; `only` are the callbacks it exports (default: all)."""
    imports, wrappers, exported, data = [], [], [], []

    def add(module: str, name: str, signature: str) -> None:
        parameters, results = signature.split(":")
        kinds = " ".join(TYPES[letter] for letter in parameters)
        result = f"(result {TYPES[results]})" if results else ""
        imports.append(f'(import "{module}" "{name}" (func $i.{name} (param {kinds}) {result}))')
        gets = " ".join(f"(local.get {index})" for index in range(len(parameters)))
        wrappers.append(f'(func (export "call.{name}") (param {kinds}) {result} (call $i.{name} {gets}))')

    for name, signature in env_imports(abi).items():
        add("env", name, signature)
    for name, signature in WASI_IMPORTS.items() if wasi else ():
        add("wasi_snapshot_preview1", name, signature)
    address = NAMES
    for name, signature in callbacks(abi).items():
        if only is not None and name not in only:
            continue
        parameters, results = signature.split(":")
        stores = "".join(
            f"(i32.store (i32.const {ARGUMENTS + 4 * index}) (local.get {index}))"
            for index in range(len(parameters))
        )
        default = int(name in TRUE_BY_DEFAULT)
        body = f"""{stores} (i32.store (i32.const {ANSWER}) (i32.const {default}))
            (drop (call $i.proxy_call_foreign_function (i32.const {address}) (i32.const {len(name)})
              (i32.const {ARGUMENTS}) (i32.const {4 * len(parameters)}) (i32.const 0) (i32.const 0)))
            {f"(i32.load (i32.const {ANSWER}))" if results else ""}"""
        kinds = " ".join("i32" for _ in parameters)
        exported.append(
            f'(func (export "{name}") (param {kinds}) {"(result i32)" if results else ""} {body})'
        )
        data.append(f'(data (i32.const {address}) "{name}")')
        address += len(name)
    return f"""(module {" ".join(imports)}
      (memory (export "memory") {PAGES})
      (global $top (mut i32) (i32.const {HEAP}))
      (func (export "{abi.value}"))
      (func (export "proxy_on_memory_allocate") (param $size i32) (result i32)
        (if (i32.load (i32.const {REFUSE_MEMORY})) (then (return (i32.const 0))))
        (global.get $top)
        (global.set $top (i32.and (i32.const -8)
          (i32.add (i32.const 7) (i32.add (global.get $top) (local.get $size))))))
      {" ".join(wrappers)} {" ".join(exported)} {" ".join(data)} {extra})"""


@functools.cache
def module(abi: AbiVersion, only: tuple[str, ...] | None, extra: str) -> Module:
    return Module.from_wat(wat(abi, only, extra=extra))


class Guest:
    """The module from within one of its callbacks."""

    def __init__(self, vm: WasmVm) -> None:
        self.vm = vm
        self.memory = vm.memory
        self._top = SCRATCH
        self._calls: dict[str, Callable[..., int]] = {}

    def call(self, name: str, *arguments: int) -> int:
        """Make a host call with raw numbers; returns its status."""
        function = self._calls.get(name)
        if function is None:
            function = self._calls[name] = self.vm.export(f"call.{name}")
        return function(*arguments)

    def put(self, data: bytes) -> tuple[int, int]:
        """Put bytes into the module's memory; returns pointer and size."""
        address = self._top
        self.memory.write(address, data)
        self._top += (len(data) + 15) & -8
        return address, len(data)

    def u32(self, address: int) -> int:
        return int(struct.unpack("<I", self.memory.read(address, 4))[0])

    def u64(self, address: int) -> int:
        return int(struct.unpack("<Q", self.memory.read(address, 8))[0])

    def out(self) -> int:
        """Return the address of a variable for results, filled with a pattern."""
        return self.put(b"\xaa" * 8)[0]

    def given(self, name: str, *arguments: int) -> tuple[int, bytes]:
        """Make a call whose last two parameters say where a value is to be noted; returns status and value."""
        address, size = self.out(), self.out()
        status = self.call(name, *arguments, address, size)
        if status:
            return status, b""
        return status, self.memory.read(self.u32(address), self.u32(size))

    # The calls by their arguments as Python values, where tests need them often.

    def header(self, map_type: int, key: bytes) -> tuple[int, bytes]:
        return self.given("proxy_get_header_map_value", map_type, *self.put(key))

    def pairs(self, map_type: int) -> tuple[int, list[tuple[bytes, bytes]]]:
        status, raw = self.given("proxy_get_header_map_pairs", map_type)
        return status, parse(raw)

    def set_pairs(self, map_type: int, pairs: list[tuple[bytes, bytes]]) -> int:
        return self.call("proxy_set_header_map_pairs", map_type, *self.put(serialise(pairs)))

    def add(self, map_type: int, key: bytes, value: bytes) -> int:
        return self.call("proxy_add_header_map_value", map_type, *self.put(key), *self.put(value))

    def replace(self, map_type: int, key: bytes, value: bytes) -> int:
        return self.call("proxy_replace_header_map_value", map_type, *self.put(key), *self.put(value))

    def remove(self, map_type: int, key: bytes) -> int:
        return self.call("proxy_remove_header_map_value", map_type, *self.put(key))

    def body(self, buffer: int, start: int = 0, size: int = 0x7FFF_FFFF) -> tuple[int, bytes]:
        return self.given("proxy_get_buffer_bytes", buffer, start, size)

    def set_body(self, buffer: int, value: bytes, start: int = 0, size: int = 0x7FFF_FFFF) -> int:
        return self.call("proxy_set_buffer_bytes", buffer, start, size, *self.put(value))

    def prop(self, *path: str) -> tuple[int, bytes]:
        return self.given("proxy_get_property", *self.put("\0".join(path).encode()))

    def respond(
        self,
        status: int,
        body: bytes = b"",
        headers: list[tuple[bytes, bytes]] | None = None,
        *,
        grpc: int = 0xFFFF_FFFF,
        details: bytes = b"",
    ) -> int:
        return self.call(
            "proxy_send_local_response",
            status,
            *self.put(details),
            *self.put(body),
            *self.put(serialise(headers or [])),
            grpc,
        )

    def http_call(
        self,
        cluster: bytes,
        headers: list[tuple[bytes, bytes]] | None = None,
        body: bytes = b"",
        timeout_ms: int = 0,
    ) -> tuple[int, int]:
        wanted = (
            [(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")] if headers is None else headers
        )
        out = self.out()
        status = self.call(
            "proxy_http_call",
            *self.put(cluster),
            *self.put(serialise(wanted)),
            *self.put(body),
            *self.put(serialise([])),
            timeout_ms,
            out,
        )
        return status, self.u32(out)

    def number(self, name: str, *arguments: int) -> tuple[int, int]:
        """Make a call whose last parameter says where a 32-bit number goes; returns status and number."""
        out = self.out()
        return self.call(name, *arguments, out), self.u32(out)


class Probe:
    """A VM of the module. `on` (or keywords) map a callback's short name ("request_headers") to `handler(guest, *arguments)`.

    `seen` lists every callback with its arguments; a handler's answer is the callback's (None: the usual one).
    """

    def __init__(
        self,
        *,
        abi: AbiVersion = AbiVersion.V0_2_1,
        only: Iterable[str] | None = None,
        extra: str = "",
        host: Host | None = None,
        quirks: bool = True,
        vm_id: str = "",
        vm_configuration: bytes = b"",
        limits: Limits | None = None,
        environment: dict[str, str] | None = None,
        policy: FailurePolicy = FailurePolicy.RAISE,
        capabilities: Iterable[str] | None = None,
        on: Mapping[str, Handler] | None = None,
        **handlers: Handler,
    ) -> None:
        self.clock = VirtualClock()
        self.host = host or Host(self.clock, quirks=quirks)
        self.on = {**(on or {}), **handlers}
        self.seen: list[tuple[Any, ...]] = []
        self._stack: list[Guest] = []
        for name in callbacks(abi):
            self._register(name)
        self.vm = self.host.vm(
            module(abi, None if only is None else tuple(only), extra),
            vm_id=vm_id,
            configuration=vm_configuration,
            limits=limits,
            environment=environment,
            failure_policy=policy,
            capabilities=capabilities,
        )

    def _register(self, name: str) -> None:
        # Several probes may share a host: whoever is running decides.
        previous = self.host.foreign_functions.get(name)
        short = name.removeprefix("proxy_on_").removeprefix("proxy_")

        def ask(raw: bytes) -> bytes | None:
            if not self._running():
                return previous(raw) if previous is not None else None
            arguments = struct.unpack(f"<{len(raw) // 4}I", raw)
            self.seen.append((short, *arguments))
            handler = self.on.get(short)
            if handler is not None:
                answer = handler(Guest(self.vm), *arguments)
                if answer is not None:
                    self.vm.memory.write_u32(ANSWER, int(answer))
            return None

        self.host.foreign_functions[name] = ask

    def _running(self) -> bool:
        return getattr(self, "vm", None) is not None and self.vm._running > 0

    def plugin(self, name: str = "p", configuration: bytes = b"", **options: Any) -> Plugin:
        return self.vm.plugin(name, f"{name}-root", configuration, **options)

    def names(self) -> list[str]:
        """Return the callbacks so far, without arguments."""
        return [entry[0] for entry in self.seen]

    def forget(self) -> None:
        self.seen.clear()


GET = [(":method", "GET"), (":path", "/a?b=c"), (":authority", "example.org"), (":scheme", "http")]
POST = [(":method", "POST"), (":path", "/a"), (":authority", "example.org"), ("content-type", "text/plain")]
OK = [(":status", "200"), ("content-type", "text/plain")]
