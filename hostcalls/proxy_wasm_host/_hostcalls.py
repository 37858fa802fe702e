"""The host calls, as plain Python: what each one means, whichever way it comes in.

One instance a VM. Arguments are `int` and `bytes`, results as in seam 1 of docs/internals.md; a status
other than OK is raised as `HostCallFailed`. Which call is legal when follows Envoy (`quirks`) or the
specification.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from proxy_wasm_host._abi import BufferType, LogLevel, MapType, Status, StreamType
from proxy_wasm_host._body import Body
from proxy_wasm_host._context import RootContext, StreamContext
from proxy_wasm_host._foreign import clear_route_cache
from proxy_wasm_host._local_reply import LocalResponse
from proxy_wasm_host._properties import read_property
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_wasm_host._context import Context
    from proxy_wasm_host._headers import HeaderMap
    from proxy_wasm_host._pairs import Pairs
    from proxy_wasm_host._vm import Vm

_U32 = 0xFFFF_FFFF
_MAX_GRPC_STATUS = 16
_STREAM_MAPS = 4
_BODIES = 4

_ROOT_BUFFERS: Final[dict[int, Callable[[RootContext], bytes | None]]] = {
    BufferType.HTTP_CALL_RESPONSE_BODY: lambda root: root.call_body,
    BufferType.GRPC_CALL_MESSAGE: lambda root: root.grpc_message,
    BufferType.PLUGIN_CONFIGURATION: lambda root: root.plugin_configuration,
    BufferType.FOREIGN_FUNCTION_ARGUMENTS: lambda root: root.foreign_arguments,
}
_ROOT_MAPS: Final[dict[int, Callable[[RootContext], HeaderMap | None]]] = {
    MapType.GRPC_CALL_INITIAL_METADATA: lambda root: root.grpc_initial_metadata,
    MapType.GRPC_CALL_TRAILING_METADATA: lambda root: root.grpc_trailing_metadata,
    MapType.HTTP_CALL_RESPONSE_HEADERS: lambda root: root.call_headers,
    MapType.HTTP_CALL_RESPONSE_TRAILERS: lambda root: root.call_trailers,
}
_NEVER_MISSING: Final = frozenset(
    kind
    for kind in BufferType
    if kind not in (BufferType.HTTP_CALL_RESPONSE_BODY, BufferType.PLUGIN_CONFIGURATION)
)


class HostCalls:
    """All host calls of one VM."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm
        self._host = vm.host
        self._quirks = vm.host.quirks

    # Contexts.

    def _context(self) -> Context:
        vm = self._vm
        if vm.effective_id:
            context = vm.contexts.get(vm.effective_id)
            if context is not None:
                return context
        return vm.current

    def _root(self) -> RootContext:
        root = self._context().root
        if root is None:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return root

    def set_effective_context(self, context_id: int) -> None:
        """Act for another context until the callback ends."""
        if context_id not in self._vm.contexts:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        self._vm.effective_id = context_id

    def done(self) -> None:
        """Finish a context whose `proxy_on_done` answered false."""
        context = self._context()
        pending = self._vm.pending_done
        key = context.id
        if self._quirks and context.root is not None:
            key = context.root.id
        finish = pending.pop(key, None)
        if finish is None:
            raise HostCallFailed(Status.NOT_FOUND)
        self._vm.after_call.append(finish)

    # Logs, time, timers.

    def log(self, level: int, message: bytes) -> None:
        """Log a line."""
        if level > LogLevel.CRITICAL or level < 0:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        self._host.log_line(self._context(), level, message)

    def get_log_level(self) -> int:
        """Return the lowest level that is logged."""
        return int(self._host.log_level)

    def get_current_time_nanoseconds(self) -> int:
        """Return the time of day."""
        return self._host.clock.realtime()

    def set_tick_period_milliseconds(self, period: int) -> None:
        """Start, change or (0) stop the plugin's timer."""
        self._vm.set_tick_period(self._root(), period)

    # Buffers.

    def get_buffer_bytes(self, buffer: int, start: int, max_size: int) -> bytes:
        """Return a range of a buffer, cut at its end."""
        data = self._buffer(buffer)
        # Envoy counts in 64 bits: no 32-bit sum is too large there, and what lies outside reads as nothing.
        if not self._quirks and (start + max_size > _U32 or start > len(data)):
            raise HostCallFailed(Status.BAD_ARGUMENT)
        raw = data.data if isinstance(data, Body) else data
        return raw if start == 0 and max_size >= len(raw) else raw[start : start + max_size]

    def get_buffer_status(self, buffer: int) -> tuple[int, int]:
        """Return size and flags (always 0) of a buffer."""
        return len(self._buffer(buffer)), 0

    def set_buffer_bytes(self, buffer: int, start: int, size: int, value: bytes) -> None:
        """Edit a body; everything else is read-only."""
        data = self._buffer(buffer)
        if not isinstance(data, Body):
            raise HostCallFailed(Status.BAD_ARGUMENT)
        data.edit(start, size, value)

    def _buffer(self, buffer: int) -> Body | bytes:
        context = self._context()
        if not 0 <= buffer <= BufferType.FOREIGN_FUNCTION_ARGUMENTS:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        data: Body | bytes | None = None
        if buffer < _BODIES:
            http = buffer < BufferType.DOWNSTREAM_DATA
            if isinstance(context, StreamContext) and context.stream.is_http == http:
                data = context.stream.buffer(buffer & 1)
        elif buffer == BufferType.VM_CONFIGURATION:
            data = self._vm.configuration
        elif context.root is not None:
            data = _ROOT_BUFFERS[buffer](context.root)
        if data is None:
            # Envoy answers OK with an empty buffer instead of NOT_FOUND for most of them.
            if self._quirks and buffer in _NEVER_MISSING:
                return b""
            raise HostCallFailed(Status.NOT_FOUND)
        return data

    # Maps.

    def get_header_map_size(self, map_type: int) -> int:
        """Return the bytes of a map: of names and values in Envoy, serialised in the specification."""
        headers = self._mutable_map(map_type) if self._quirks else self._map(map_type)
        if headers is None:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return headers.byte_size() if self._quirks else headers.byte_size() + 4 + 10 * len(headers)

    def get_header_map_pairs(self, map_type: int) -> Pairs:
        """Return a map; Envoy gives an empty one where there is none."""
        headers = self._map(map_type)
        if headers is None:
            if self._quirks:
                return []
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return headers.pairs()

    def get_header_map_value(self, map_type: int, key: bytes) -> bytes:
        """Return the first value of a field; a missing one is NOT_FOUND, for 0.1.0 modules an empty value."""
        headers = self._map(map_type)
        if headers is None:
            if not self._in_log():
                raise HostCallFailed(Status.BAD_ARGUMENT)
            value = None
        else:
            value = headers.first(key)
        if value is None:
            if self._vm.is_0_1_0:
                return b""
            raise HostCallFailed(Status.NOT_FOUND)
        return value

    def set_header_map_pairs(self, map_type: int, pairs: Pairs) -> None:
        """Replace a map."""
        self._changeable(map_type).set_all(pairs)

    def add_header_map_value(self, map_type: int, key: bytes, value: bytes) -> None:
        """Add a field."""
        self._changeable(map_type).add(key, value)

    def replace_header_map_value(self, map_type: int, key: bytes, value: bytes) -> None:
        """Set a field to one value."""
        self._changeable(map_type).replace(key, value)

    def remove_header_map_value(self, map_type: int, key: bytes) -> None:
        """Remove a field; a missing one is fine."""
        self._changeable(map_type).remove(key)

    def _in_log(self) -> bool:
        context = self._context()
        return isinstance(context, StreamContext) and context.log_maps is not None

    def _map(self, map_type: int) -> HeaderMap | None:
        context = self._context()
        if 0 <= map_type < _STREAM_MAPS:
            if not isinstance(context, StreamContext):
                return None
            return (context.maps if context.log_maps is None else context.log_maps)[map_type]
        read = _ROOT_MAPS.get(map_type)
        if read is None:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return None if context.root is None else read(context.root)

    def _mutable_map(self, map_type: int) -> HeaderMap | None:
        if not 0 <= map_type < _STREAM_MAPS:
            return None
        context = self._context()
        if not isinstance(context, StreamContext):
            return None
        headers = context.maps[map_type]
        if headers is None and map_type % 2:
            return context.stream.add_trailers(map_type // 2)
        return headers

    def _changeable(self, map_type: int) -> HeaderMap:
        headers = self._mutable_map(map_type)
        if headers is None:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return headers

    # Streams.

    def continue_stream(self, stream_type: int) -> None:
        """Resume a paused stream once the callback has ended."""
        context = self._context()
        if not 0 <= stream_type <= StreamType.UPSTREAM:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        if stream_type == StreamType.UPSTREAM:
            raise HostCallFailed(Status.UNIMPLEMENTED)
        stream = context.stream if isinstance(context, StreamContext) else None
        http = stream_type != StreamType.DOWNSTREAM
        if stream is not None and stream.is_http == http:
            side = int(stream_type == StreamType.HTTP_RESPONSE)
            self._vm.after_call.append(lambda: stream.continue_stream(side))
        elif not self._quirks:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        if http and isinstance(context, StreamContext) and (self._quirks or stream_type == 0):
            # Envoy forgets the request's maps, whichever side goes on.
            context.maps[0] = context.maps[1] = None
            context.bodies[0] = None

    def close_stream(self, stream_type: int) -> None:
        """Reset an HTTP stream, or close a TCP connection, once the callback has ended."""
        context = self._context()
        if not 0 <= stream_type <= StreamType.UPSTREAM:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        stream = context.stream if isinstance(context, StreamContext) else None
        if stream is not None and stream.is_http == (stream_type <= StreamType.HTTP_RESPONSE):
            reasons = (
                "wasm_close_stream",
                "wasm_close_stream",
                "wasm_downstream_close",
                "wasm_upstream_close",
            )
            reason = reasons[stream_type]
            self._vm.after_call.append(lambda: stream.reset_stream(reason))
        elif not self._quirks:
            raise HostCallFailed(Status.BAD_ARGUMENT)

    def send_local_response(
        self, status: int, details: bytes, body: bytes, headers: Pairs, grpc_status: int
    ) -> None:
        """Answer the request once the callback has ended; the callback's own answer then no longer counts."""
        context = self._context()
        vm = self._vm
        stream = context.stream if isinstance(context, StreamContext) else None
        if stream is not None and stream.is_http:
            grpc = grpc_status if 0 <= grpc_status <= _MAX_GRPC_STATUS else None
            text = "_".join(details.decode("utf-8", "backslashreplace").split(" "))
            answer = LocalResponse(status, body, list(headers), grpc, text)
            stream.reply_later(answer)
        elif not self._quirks:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        vm.stop_iteration = True

    def clear_route_cache(self) -> None:
        """Forget the chosen route (0.1.0 modules; later ones call the foreign function of this name)."""
        context = self._context()
        if isinstance(context, StreamContext):
            context.stream.route_cache_cleared += 1

    # Call-outs.

    def get_status(self) -> tuple[int, bytes]:
        """Return code and message of the call-out that has just ended."""
        return self._root().status

    def http_call(
        self, upstream: bytes, headers: Pairs, body: bytes, trailers: Pairs, timeout_ms: int
    ) -> int:
        """Start an HTTP call; the answer comes by `proxy_on_http_call_response`."""
        return self._vm.calls.http(self._root(), upstream, headers, body, trailers, timeout_ms)

    def grpc_call(
        self,
        upstream: bytes,
        service: bytes,
        method: bytes,
        initial_metadata: Pairs,
        message: bytes,
        timeout_ms: int,
    ) -> int:
        """Start a unary gRPC call."""
        return self._vm.calls.grpc(
            self._root(), upstream, service, method, initial_metadata, message, timeout_ms
        )

    def grpc_stream(self, upstream: bytes, service: bytes, method: bytes, initial_metadata: Pairs) -> int:
        """Open a gRPC stream."""
        return self._vm.calls.grpc(self._root(), upstream, service, method, initial_metadata, None, 0)

    def grpc_send(self, call_id: int, message: bytes, end_stream: bool) -> None:
        """Send a message on a gRPC stream."""
        self._vm.calls.send(call_id, message, end_stream)

    def grpc_cancel(self, call_id: int) -> None:
        """Drop a gRPC call or stream."""
        self._vm.calls.cancel(call_id)

    def grpc_close(self, call_id: int) -> None:
        """Drop a gRPC call, or end this side of a stream."""
        self._vm.calls.close(call_id)

    # Shared state.

    def get_shared_data(self, key: bytes) -> tuple[bytes, int]:
        """Return a value and its compare-and-swap number."""
        found = self._host.shared_data.get(self._vm.vm_id, key)
        if found is None:
            raise HostCallFailed(Status.NOT_FOUND)
        return found

    def set_shared_data(self, key: bytes, value: bytes, cas: int) -> None:
        """Set a value, where `cas` is not 0 only if nobody did since."""
        self._host.shared_data.set(self._vm.vm_id, key, value, cas)

    def register_shared_queue(self, name: bytes) -> int:
        """Return the id of a queue of this vm_id, and have the plugin told of what comes in."""
        return self._host.shared_queues.register(self._vm.vm_id, name, self._vm.queue_reader(self._root()))

    def resolve_shared_queue(self, vm_id: bytes, name: bytes) -> int:
        """Return the id of a queue of any vm_id (Envoy: empty means this one)."""
        wanted = vm_id.decode("utf-8", "surrogateescape")
        if not wanted and self._quirks:
            wanted = self._vm.vm_id
        queue_id = self._host.shared_queues.resolve(wanted, name)
        if queue_id is None:
            raise HostCallFailed(Status.NOT_FOUND)
        return queue_id

    def enqueue_shared_queue(self, queue_id: int, value: bytes) -> None:
        """Put a value in; whoever registered the queue is told after this callback."""
        self._host.shared_queues.enqueue(queue_id, value)

    def dequeue_shared_queue(self, queue_id: int) -> bytes:
        """Take the oldest value out."""
        return self._host.shared_queues.dequeue(queue_id)

    # Metrics.

    def define_metric(self, metric_type: int, name: bytes) -> int:
        """Return an id for a metric."""
        return self._vm.metrics.define(metric_type, name.decode("utf-8", "backslashreplace"))

    def record_metric(self, metric_id: int, value: int) -> None:
        """Set a gauge, add to a counter, sample a histogram."""
        self._vm.metrics.record(metric_id, value)

    def increment_metric(self, metric_id: int, delta: int) -> None:
        """Move a counter or gauge."""
        self._vm.metrics.increment(metric_id, delta)

    def get_metric(self, metric_id: int) -> int:
        """Return a counter or gauge."""
        return self._vm.metrics.get(metric_id)

    # Properties and foreign functions.

    def get_property(self, path: bytes) -> bytes:
        """Return a property in Envoy's encoding."""
        return read_property(self._vm, self._context(), path)

    def set_property(self, path: bytes, value: bytes) -> None:
        """Keep a value with the stream, for later `get_property` calls."""
        context = self._context()
        if not isinstance(context, StreamContext):
            raise HostCallFailed(Status.NOT_FOUND)
        context.stream.filter_state[path] = value

    def call_foreign_function(self, name: bytes, arguments: bytes) -> bytes:
        """Call a function the host has registered."""
        function = self._host.foreign_functions.get(name.decode("utf-8", "backslashreplace"))
        if function is None:
            raise HostCallFailed(Status.NOT_FOUND)
        if function is clear_route_cache:
            self.clear_route_cache()
            return b""
        return bytes(function(arguments) or b"")

    def environ(self) -> Pairs:
        """Return the VM's environment variables."""
        return [(name.encode(), value.encode()) for name, value in self._vm.environment.items()]

    # 0.1.0 only.

    def get_configuration(self) -> bytes:
        """Return the plugin's configuration while it is configured, the VM's otherwise."""
        root = self._context().root
        if root is not None and root.plugin_configuration is not None:
            return root.plugin_configuration
        return self._vm.configuration
