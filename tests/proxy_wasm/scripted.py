"""The other side of the ABI, small enough to see through: it keeps what it is told and answers what it was given."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from proxy_wasm import MapType, PluginContext, Status
from proxy_wasm._dispatch import Dispatcher
from proxy_wasm._phase import phase
from proxy_wasm._unbound import HostStatus, bind

if TYPE_CHECKING:
    from collections.abc import Iterator

Pairs = list[tuple[bytes, bytes]]
PLUGIN, STREAM = 1, 2


@dataclass
class ScriptedHost:
    """Statuses in `refuse` are answered by the host call of that name, once or always as long as they stay there."""

    maps: dict[int, Pairs] = field(default_factory=dict)
    buffers: dict[int, bytes] = field(default_factory=dict)
    properties: dict[bytes, bytes] = field(default_factory=dict)
    shared: dict[bytes, tuple[bytes, int]] = field(default_factory=dict)
    queues: dict[int, list[bytes]] = field(default_factory=dict)
    names: list[bytes] = field(default_factory=list)
    metrics: dict[int, int] = field(default_factory=dict)
    defined: list[tuple[int, bytes]] = field(default_factory=list)
    logs: list[tuple[int, str]] = field(default_factory=list)
    did: list[tuple[Any, ...]] = field(default_factory=list)
    refuse: dict[str, int] = field(default_factory=dict)
    status: tuple[int, bytes] = (0, b"")
    level: int = 0
    now: int = 1_700_000_000_000_000_000
    next_id: int = 100

    def _note(self, call: str, *arguments: Any) -> None:
        if call in self.refuse:
            raise HostStatus(self.refuse[call])
        self.did.append((call, *arguments))

    def calls(self, *names: str) -> list[tuple[Any, ...]]:
        """What was asked of these host calls."""
        return [did for did in self.did if did[0] in names]

    def log(self, level: int, message: bytes) -> None:
        self.logs.append((level, message.decode()))

    def get_log_level(self) -> int:
        return self.level

    def get_current_time_nanoseconds(self) -> int:
        return self.now

    def set_tick_period_milliseconds(self, period: int) -> None:
        self._note("set_tick_period_milliseconds", period)

    def _buffer(self, buffer: int) -> bytes:
        if buffer not in self.buffers:
            raise HostStatus(Status.NOT_FOUND)
        return self.buffers[buffer]

    def get_buffer_bytes(self, buffer: int, start: int, max_size: int) -> bytes:
        assert start + max_size <= 0xFFFFFFFF
        return self._buffer(buffer)[start : start + max_size]

    def get_buffer_status(self, buffer: int) -> tuple[int, int]:
        return len(self._buffer(buffer)), 0

    def set_buffer_bytes(self, buffer: int, start: int, size: int, value: bytes) -> None:
        """As Envoy: at the start, or at the end."""
        self._note("set_buffer_bytes", buffer, start, size, value)
        old = self._buffer(buffer)
        if start >= len(old) and start:
            self.buffers[buffer] = old + value
        elif start == 0:
            self.buffers[buffer] = value + old[size:]
        else:
            self.did.pop()
            raise HostStatus(Status.BAD_ARGUMENT)

    def _map(self, map_type: int) -> Pairs:
        if map_type not in self.maps:
            raise HostStatus(Status.BAD_ARGUMENT)
        return self.maps[map_type]

    def get_header_map_size(self, map_type: int) -> int:
        return sum(len(k) + len(v) for k, v in self._map(map_type))

    def get_header_map_pairs(self, map_type: int) -> Pairs:
        return list(self._map(map_type))

    def set_header_map_pairs(self, map_type: int, pairs: Pairs) -> None:
        self.maps[map_type] = pairs

    def get_header_map_value(self, map_type: int, key: bytes) -> bytes:
        for name, value in self._map(map_type):
            if name == key.lower():
                return value
        raise HostStatus(Status.NOT_FOUND)

    def add_header_map_value(self, map_type: int, key: bytes, value: bytes) -> None:
        self._map(map_type).append((key.lower(), value))

    def replace_header_map_value(self, map_type: int, key: bytes, value: bytes) -> None:
        self.remove_header_map_value(map_type, key)
        self._map(map_type).append((key.lower(), value))

    def remove_header_map_value(self, map_type: int, key: bytes) -> None:
        pairs = self._map(map_type)
        pairs[:] = [(name, value) for name, value in pairs if name != key.lower()]

    def continue_stream(self, stream_type: int) -> None:
        self._note("continue_stream", stream_type)

    def close_stream(self, stream_type: int) -> None:
        self._note("close_stream", stream_type)

    def get_status(self) -> tuple[int, bytes]:
        return self.status

    def send_local_response(
        self, status: int, details: bytes, body: bytes, headers: Pairs, grpc_status: int
    ) -> None:
        self._note("send_local_response", status, details, body, headers, grpc_status)

    def _issue(self, *did: Any) -> int:
        self._note(*did)
        self.next_id += 1
        return self.next_id

    def http_call(
        self, upstream: bytes, headers: Pairs, body: bytes, trailers: Pairs, timeout_ms: int
    ) -> int:
        return self._issue("http_call", upstream, headers, body, trailers, timeout_ms)

    def grpc_call(
        self,
        upstream: bytes,
        service: bytes,
        method: bytes,
        initial_metadata: Pairs,
        message: bytes,
        timeout_ms: int,
    ) -> int:
        return self._issue("grpc_call", upstream, service, method, initial_metadata, message, timeout_ms)

    def grpc_stream(self, upstream: bytes, service: bytes, method: bytes, initial_metadata: Pairs) -> int:
        return self._issue("grpc_stream", upstream, service, method, initial_metadata)

    def grpc_send(self, call_id: int, message: bytes, end_stream: bool) -> None:
        self._note("grpc_send", call_id, message, end_stream)

    def grpc_cancel(self, call_id: int) -> None:
        self._note("grpc_cancel", call_id)

    def grpc_close(self, call_id: int) -> None:
        self._note("grpc_close", call_id)

    def get_shared_data(self, key: bytes) -> tuple[bytes, int]:
        if key not in self.shared:
            raise HostStatus(Status.NOT_FOUND)
        return self.shared[key]

    def set_shared_data(self, key: bytes, value: bytes, cas: int) -> None:
        """As Envoy: a number is compared with what is there, if something is there."""
        self._note("set_shared_data", key, value, cas)
        _, current = self.shared.get(key, (b"", 0))
        if cas and current and cas != current:
            raise HostStatus(Status.CAS_MISMATCH)
        self.shared[key] = (value, current + 1)

    def register_shared_queue(self, name: bytes) -> int:
        if name not in self.names:
            self.names.append(name)
        queue_id = self.names.index(name) + 1
        self.queues.setdefault(queue_id, [])
        return queue_id

    def resolve_shared_queue(self, _vm_id: bytes, name: bytes) -> int:
        if name not in self.names:
            raise HostStatus(Status.NOT_FOUND)
        return self.names.index(name) + 1

    def enqueue_shared_queue(self, queue_id: int, value: bytes) -> None:
        self.queues[queue_id].append(value)

    def dequeue_shared_queue(self, queue_id: int) -> bytes:
        if not self.queues[queue_id]:
            raise HostStatus(Status.EMPTY)
        return self.queues[queue_id].pop(0)

    def define_metric(self, metric_type: int, name: bytes) -> int:
        self.defined.append((metric_type, name))
        self.metrics[len(self.defined)] = 0
        return len(self.defined)

    def record_metric(self, metric_id: int, value: int) -> None:
        self.metrics[metric_id] = value

    def increment_metric(self, metric_id: int, delta: int) -> None:
        self.metrics[metric_id] += delta

    def get_metric(self, metric_id: int) -> int:
        return self.metrics[metric_id]

    def get_property(self, path: bytes) -> bytes:
        if path not in self.properties:
            raise HostStatus(Status.NOT_FOUND)
        return self.properties[path]

    def set_property(self, path: bytes, value: bytes) -> None:
        self._note("set_property", path, value)
        self.properties[path] = value

    def call_foreign_function(self, name: bytes, arguments: bytes) -> bytes:
        if name != b"reverse":
            raise HostStatus(Status.NOT_FOUND)
        return arguments[::-1]

    def set_effective_context(self, context_id: int) -> None:
        self._note("set_effective_context", context_id)

    def done(self) -> None:
        self._note("done")

    def environ(self) -> Pairs:
        return [(b"NAME", b"value")]


class ScriptedVm:
    """A plugin and its callbacks, by the names that the host calls them."""

    def __init__(self, plugin: type[PluginContext], host: ScriptedHost | None = None) -> None:
        self.host = ScriptedHost() if host is None else host
        for map_type in range(8):
            self.host.maps.setdefault(map_type, [])
        with bind(self.host):
            self.dispatcher = Dispatcher(plugin)

    @property
    def callbacks(self) -> set[str]:
        return set(self.dispatcher.callbacks)

    def call(self, name: str, *arguments: Any) -> Any:
        """Call `proxy_NAME`, or answer what C answers where the plugin has none."""
        callback = self.dispatcher.callbacks.get(f"proxy_{name}")
        if callback is None:
            return {"on_done": 1, "on_vm_start": 1}.get(name, 0)
        with bind(self.host):
            return callback(*arguments)

    def start(self, configuration: bytes = b"") -> Any:
        self.host.buffers[7] = configuration
        self.call("on_context_create", PLUGIN, 0)
        return self.call("on_configure", PLUGIN, len(configuration))

    def stream(self, stream: int = STREAM) -> int:
        self.call("on_context_create", stream, PLUGIN)
        return stream

    def end(self, stream: int = STREAM) -> None:
        self.call("on_done", stream)
        self.call("on_log", stream)
        self.call("on_delete", stream)

    def answer_http(
        self,
        call_id: int,
        status: int = 200,
        body: bytes = b"",
        headers: Pairs | None = None,
        trailers: Pairs | None = None,
    ) -> None:
        """The response to an HTTP call; status 0 is a failed one."""
        pairs = [(b":status", str(status).encode()), *(headers or [])] if status else []
        self.host.maps[MapType.HTTP_CALL_RESPONSE_HEADERS] = pairs
        self.host.maps[MapType.HTTP_CALL_RESPONSE_TRAILERS] = trailers or []
        self.host.buffers[4] = body
        self.call("on_http_call_response", PLUGIN, call_id, len(pairs), len(body), len(trailers or []))

    @property
    def plugin(self) -> Any:
        return self.dispatcher._contexts[PLUGIN]

    def context(self, stream: int = STREAM) -> Any:
        return self.dispatcher._contexts[stream]

    @property
    def errors(self) -> list[str]:
        return [message for level, message in self.host.logs if level == 4]


def http_vm(cls: Any, configuration: bytes = b"", **attributes: Any) -> ScriptedVm:
    """A started VM whose plugin has streams of this class, and one stream."""
    plugin = type("Plugin", (PluginContext,), {"http_context": cls, **attributes})
    vm = ScriptedVm(plugin)
    assert vm.start(configuration) == 1
    vm.stream()
    return vm


def tcp_vm(cls: Any, **attributes: Any) -> ScriptedVm:
    plugin = type("Plugin", (PluginContext,), {"tcp_context": cls, **attributes})
    vm = ScriptedVm(plugin)
    assert vm.start() == 1
    vm.stream()
    return vm


@contextmanager
def inside(vm: ScriptedVm, stream: int = STREAM, callback: str = "on_request_headers") -> Iterator[Any]:
    """The stream's context, as if this were the body of one of its callbacks."""
    with bind(vm.host):
        context = vm.context(stream)
        phase.callback, phase.context, phase.effective = callback, context, context
        yield context
