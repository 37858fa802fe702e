"""The host: where VMs meet. Shared data and queues, clusters, clock, metrics and logs live here."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from proxy_wasm_host._abi import LogLevel
from proxy_wasm_host._callouts import Cluster
from proxy_wasm_host._clock import Clock, VirtualClock
from proxy_wasm_host._foreign import envoy_functions
from proxy_wasm_host._limits import FailurePolicy, Limits
from proxy_wasm_host._logs import LogLine
from proxy_wasm_host._metrics import Metrics
from proxy_wasm_host._shared import SharedData, SharedQueues
from proxy_wasm_host._wasm_vm import WasmVm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self

    from proxy_wasm_host._callouts import (
        CallFailure,
        GrpcCall,
        GrpcReply,
        GrpcStream,
        HttpCall,
        HttpReply,
        Later,
    )
    from proxy_wasm_host._context import Context
    from proxy_wasm_host._module import Module
    from proxy_wasm_host._native import NativeVm
    from proxy_wasm_host._properties import PropertyValue
    from proxy_wasm_host._vm import Vm

_MAX_LOG_LINES = 100_000
_MAX_CALLS = 10_000
ENVOY_BUFFER_LIMIT = 1 << 20
"""Envoy's default `per_connection_buffer_limit_bytes`."""


class Host:
    """A Proxy-Wasm host.

    With `quirks`, everything is as in Envoy, to the letter; without, as the specification has it. Either
    way the same module sees the same callbacks in the same order.

    Attributes: `clock`, `metrics`, `logs` (the latest lines), `calls` (the latest call-outs), `clusters`,
    `shared_data`, `shared_queues`, `foreign_functions` (name to callable), `properties` (dotted path to
    value, for all streams), `log_level` (lines below are dropped), `buffer_limit` (bytes of a paused body,
    None: no limit).
    """

    def __init__(
        self,
        clock: Clock | None = None,
        *,
        quirks: bool = True,
        log_level: LogLevel = LogLevel.TRACE,
        buffer_limit: int | bool | None = True,
    ) -> None:
        self.clock: Clock = clock or VirtualClock()
        self.quirks = quirks
        self.log_level = log_level
        self.buffer_limit: int | None
        if buffer_limit is True:
            self.buffer_limit = ENVOY_BUFFER_LIMIT if quirks else None
        else:
            self.buffer_limit = buffer_limit or None
        self.metrics = Metrics()
        self.shared_data = SharedData()
        self.shared_queues = SharedQueues()
        self.clusters: dict[str, Cluster] = {}
        self.foreign_functions: dict[str, Callable[[bytes], bytes | None]] = envoy_functions()
        self.properties: dict[str, PropertyValue] = {}
        self.logs: deque[LogLine] = deque(maxlen=_MAX_LOG_LINES)
        self.calls: deque[HttpCall | GrpcCall | GrpcStream] = deque(maxlen=_MAX_CALLS)
        self.vms: list[Vm] = []
        self.depth = 0
        self._events: deque[Callable[[], None]] = deque()

    # VMs.

    def vm(
        self,
        module: Module,
        *,
        vm_id: str = "",
        configuration: bytes | str = b"",
        limits: Limits | None = None,
        environment: Mapping[str, str] | None = None,
        failure_policy: FailurePolicy = FailurePolicy.RAISE,
        reload_seconds: float = 1.0,
        capabilities: Iterable[str] | None = None,
    ) -> WasmVm:
        """Make a VM for `module` and run its start function.

        `capabilities`, if given, are the only host calls and callbacks allowed (Envoy's
        `allowed_capabilities`). Raises a `ModuleError`, or `ModuleTrapped` from the start function.
        """
        vm = WasmVm(
            self,
            module,
            vm_id=vm_id,
            configuration=_bytes(configuration),
            limits=limits or Limits(),
            environment=environment or {},
            policy=failure_policy,
            reload_seconds=reload_seconds,
            capabilities=None if capabilities is None else frozenset(capabilities),
        )
        self.vms.append(vm)
        self.settle()
        return vm

    def native_vm(
        self,
        plugin_class: type[Any],
        *,
        vm_id: str = "",
        configuration: bytes | str = b"",
        environment: Mapping[str, str] | None = None,
        failure_policy: FailurePolicy = FailurePolicy.RAISE,
    ) -> NativeVm:
        """Make a VM that runs a Python filter class in this interpreter, with the same semantics."""
        from proxy_wasm_host._native import NativeVm  # noqa: PLC0415 -- only this way needs the SDK

        vm = NativeVm(
            self,
            plugin_class,
            vm_id=vm_id,
            configuration=_bytes(configuration),
            environment=environment or {},
            policy=failure_policy,
        )
        self.vms.append(vm)
        return vm

    def reload(self, vm: Vm) -> None:
        """Give the plugins of a failed VM a new one, unless that was tried a moment ago."""
        if isinstance(vm, WasmVm):
            vm.reload()

    def forget(self, vm: Vm) -> None:
        """Take a closed VM off the books; what only it shared goes with it."""
        if vm in self.vms:
            self.vms.remove(vm)
        if all(other.vm_id != vm.vm_id for other in self.vms):
            self.shared_data.forget(vm.vm_id)
            self.shared_queues.forget(vm.vm_id)

    # Upstreams for call-outs.

    def cluster(
        self,
        name: str,
        http: HttpReply
        | Mapping[str, HttpReply]
        | Callable[[HttpCall], HttpReply | CallFailure | Later]
        | None = None,
        *,
        grpc: GrpcReply | Callable[[GrpcCall], GrpcReply | CallFailure | Later] | None = None,
        grpc_stream: Callable[[GrpcStream], None] | None = None,
    ) -> Cluster:
        """Define a cluster for call-outs, and what answers them. Without handlers, calls stay open."""
        self.clusters[name] = Cluster(http, grpc, grpc_stream)
        return self.clusters[name]

    # Logs.

    def log_line(self, context: Context, level: int, message: bytes) -> None:
        """Keep a line, if its level is logged."""
        if level >= self.log_level:
            plugin = context.plugin
            text = message.decode("utf-8", "backslashreplace")
            name = "" if plugin is None else plugin.name
            vm_id = "" if plugin is None else plugin.vm.vm_id
            self.logs.append(LogLine(LogLevel(level), text, name, vm_id, context.id))

    def messages(self, level: LogLevel = LogLevel.TRACE) -> list[str]:
        """Return the text of the lines logged at `level` or above."""
        return [line.message for line in self.logs if line.level >= level]

    # Events that wait until no module is running.

    def later(self, action: Callable[[], None]) -> None:
        """Let `action` happen once the host is idle."""
        self._events.append(action)

    def settle(self) -> None:
        """Let everything happen that waits (call-out answers, queue notices), unless a module is running."""
        events = self._events
        if not events or self.depth:
            return
        self.depth += 1
        try:
            while events:
                events.popleft()()
        finally:
            self.depth -= 1

    def close(self) -> None:
        """Close all VMs."""
        for vm in list(self.vms):
            vm.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _bytes(configuration: bytes | str) -> bytes:
    return configuration.encode() if isinstance(configuration, str) else bytes(configuration)
