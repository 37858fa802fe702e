"""The `env` functions as wasm sees them: pointers to values, the host call, values to pointers.

Each method is one import; its name without `proxy_`. What a call wants and means stands in `_hostcalls`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_wasm_host._abi import BufferType, MapType, Status
from proxy_wasm_host._pairs import parse, serialise
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_wasm_host._hostcalls import HostCalls
    from proxy_wasm_host._memory import Memory

OK = int(Status.OK)
_U64_SIGN = 1 << 63
_MAX_MAP = int(MapType.HTTP_CALL_RESPONSE_TRAILERS)
_MAX_BUFFER = int(BufferType.FOREIGN_FUNCTION_ARGUMENTS)


class Imports:
    """The `env` functions of one VM.

    `allocate` asks the module for memory and returns its address, 0 where there is none.
    """

    def __init__(self, calls: HostCalls, allocate: Callable[[int], int], *, quirks: bool) -> None:
        self._calls = calls
        self._allocate = allocate
        self._quirks = quirks
        self.memory: Memory

    def function(self, name: str) -> Callable[..., int | None]:
        """Return the import called `name`; it answers with a status and never raises `HostCallFailed`."""
        method = getattr(self, name.removeprefix("proxy_"))

        def answer(*arguments: int) -> int | None:
            try:
                method(*arguments)
            except HostCallFailed as failed:
                return int(failed.status)
            return OK

        return answer if name.startswith("proxy_") else method

    def _give(self, value: bytes, address_out: int, size_out: int) -> None:
        """Put `value` into fresh memory of the module, and where it is into its two variables."""
        memory = self.memory
        address = 0
        if value:
            address = self._allocate(len(value))
            if not address:
                raise HostCallFailed(Status.INVALID_MEMORY_ACCESS)
            memory.write(address, value)
        memory.write_u32(address_out, address)
        memory.write_u32(size_out, len(value))

    # Contexts, logs, time.

    def done(self) -> None:
        self._calls.done()

    def set_effective_context(self, context_id: int) -> None:
        self._calls.set_effective_context(context_id)

    def log(self, level: int, message: int, size: int) -> None:
        # The level is checked first, as in Envoy.
        if level > 5:  # noqa: PLR2004 -- critical
            raise HostCallFailed(Status.BAD_ARGUMENT)
        self._calls.log(level, self.memory.read(message, size))

    def get_log_level(self, out: int) -> None:
        self.memory.write_u32(out, self._calls.get_log_level())

    def get_current_time_nanoseconds(self, out: int) -> None:
        self.memory.write_u64(out, self._calls.get_current_time_nanoseconds())

    def set_tick_period_milliseconds(self, period: int) -> None:
        self._calls.set_tick_period_milliseconds(period)

    # Buffers.

    def get_buffer_bytes(
        self, buffer: int, start: int, max_size: int, address_out: int, size_out: int
    ) -> None:
        self._give(self._calls.get_buffer_bytes(buffer, start, max_size), address_out, size_out)

    def get_buffer_status(self, buffer: int, size_out: int, flags_out: int) -> None:
        size, flags = self._calls.get_buffer_status(buffer)
        self.memory.write_u32(size_out, size)
        self.memory.write_u32(flags_out, flags)

    def set_buffer_bytes(self, buffer: int, start: int, size: int, value: int, value_size: int) -> None:
        if buffer > _MAX_BUFFER:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        self._calls.get_buffer_status(buffer)
        self._calls.set_buffer_bytes(buffer, start, size, self.memory.read(value, value_size))

    # Maps.

    def get_header_map_size(self, map_type: int, out: int) -> None:
        self.memory.write_u32(out, self._calls.get_header_map_size(map_type))

    def get_header_map_pairs(self, map_type: int, address_out: int, size_out: int) -> None:
        pairs = self._calls.get_header_map_pairs(map_type)
        # Envoy gives a null pointer for an empty map instead of its four bytes.
        self._give(serialise(pairs) if pairs or not self._quirks else b"", address_out, size_out)

    def set_header_map_pairs(self, map_type: int, pairs: int, size: int) -> None:
        _check_map(map_type)
        self._calls.set_header_map_pairs(map_type, parse(self.memory.read(pairs, size)))

    def get_header_map_value(
        self, map_type: int, key: int, key_size: int, address_out: int, size_out: int
    ) -> None:
        _check_map(map_type)
        value = self._calls.get_header_map_value(map_type, self.memory.read(key, key_size))
        self._give(value, address_out, size_out)

    def add_header_map_value(
        self, map_type: int, key: int, key_size: int, value: int, value_size: int
    ) -> None:
        _check_map(map_type)
        read = self.memory.read
        self._calls.add_header_map_value(map_type, read(key, key_size), read(value, value_size))

    def replace_header_map_value(
        self, map_type: int, key: int, key_size: int, value: int, value_size: int
    ) -> None:
        _check_map(map_type)
        read = self.memory.read
        self._calls.replace_header_map_value(map_type, read(key, key_size), read(value, value_size))

    def remove_header_map_value(self, map_type: int, key: int, key_size: int) -> None:
        _check_map(map_type)
        self._calls.remove_header_map_value(map_type, self.memory.read(key, key_size))

    # Streams.

    def continue_stream(self, stream_type: int) -> None:
        self._calls.continue_stream(stream_type)

    def continue_request(self) -> None:
        self._calls.continue_stream(0)

    def continue_response(self) -> None:
        self._calls.continue_stream(1)

    def close_stream(self, stream_type: int) -> None:
        self._calls.close_stream(stream_type)

    def clear_route_cache(self) -> None:
        self._calls.clear_route_cache()

    def send_local_response(
        self,
        status: int,
        details: int,
        details_size: int,
        body: int,
        body_size: int,
        headers: int,
        headers_size: int,
        grpc_status: int,
    ) -> None:
        read = self.memory.read
        self._calls.send_local_response(
            status,
            read(details, details_size),
            read(body, body_size),
            parse(read(headers, headers_size)),
            grpc_status,
        )

    # Call-outs.

    def get_status(self, code_out: int, address_out: int, size_out: int) -> None:
        code, message = self._calls.get_status()
        self.memory.write_u32(code_out, code)
        self._give(message, address_out, size_out)

    def http_call(
        self,
        upstream: int,
        upstream_size: int,
        headers: int,
        headers_size: int,
        body: int,
        body_size: int,
        trailers: int,
        trailers_size: int,
        timeout_ms: int,
        out: int,
    ) -> None:
        memory = self.memory
        read = memory.read
        name, fields, data, after = (
            read(upstream, upstream_size),
            parse(read(headers, headers_size)),
            read(body, body_size),
            parse(read(trailers, trailers_size)),
        )
        # Checked before anything is sent.
        memory.write_u32(out, 0)
        memory.write_u32(out, self._calls.http_call(name, fields, data, after, timeout_ms))

    def grpc_call(
        self,
        upstream: int,
        upstream_size: int,
        service: int,
        service_size: int,
        method: int,
        method_size: int,
        metadata: int,
        metadata_size: int,
        message: int,
        message_size: int,
        timeout_ms: int,
        out: int,
    ) -> None:
        memory = self.memory
        read = memory.read
        call_id = self._calls.grpc_call(
            read(upstream, upstream_size),
            read(service, service_size),
            read(method, method_size),
            parse(read(metadata, metadata_size)),
            read(message, message_size),
            timeout_ms,
        )
        memory.write_u32(out, call_id)

    def grpc_stream(
        self,
        upstream: int,
        upstream_size: int,
        service: int,
        service_size: int,
        method: int,
        method_size: int,
        metadata: int,
        metadata_size: int,
        out: int,
    ) -> None:
        memory = self.memory
        read = memory.read
        stream_id = self._calls.grpc_stream(
            read(upstream, upstream_size),
            read(service, service_size),
            read(method, method_size),
            parse(read(metadata, metadata_size)),
        )
        memory.write_u32(out, stream_id)

    def grpc_send(self, call_id: int, message: int, size: int, end_stream: int) -> None:
        self._calls.grpc_send(call_id, self.memory.read(message, size), end_stream != 0)

    def grpc_cancel(self, call_id: int) -> None:
        self._calls.grpc_cancel(call_id)

    def grpc_close(self, call_id: int) -> None:
        self._calls.grpc_close(call_id)

    # Shared state.

    def get_shared_data(self, key: int, key_size: int, address_out: int, size_out: int, cas_out: int) -> None:
        value, cas = self._calls.get_shared_data(self.memory.read(key, key_size))
        self._give(value, address_out, size_out)
        self.memory.write_u32(cas_out, cas)

    def set_shared_data(self, key: int, key_size: int, value: int, value_size: int, cas: int) -> None:
        read = self.memory.read
        self._calls.set_shared_data(read(key, key_size), read(value, value_size), cas)

    def register_shared_queue(self, name: int, size: int, out: int) -> None:
        self.memory.write_u32(out, self._calls.register_shared_queue(self.memory.read(name, size)))

    def resolve_shared_queue(self, vm_id: int, vm_id_size: int, name: int, size: int, out: int) -> None:
        read = self.memory.read
        self.memory.write_u32(
            out, self._calls.resolve_shared_queue(read(vm_id, vm_id_size), read(name, size))
        )

    def enqueue_shared_queue(self, queue_id: int, value: int, size: int) -> None:
        self._calls.enqueue_shared_queue(queue_id, self.memory.read(value, size))

    def dequeue_shared_queue(self, queue_id: int, address_out: int, size_out: int) -> None:
        self._give(self._calls.dequeue_shared_queue(queue_id), address_out, size_out)

    # Metrics.

    def define_metric(self, metric_type: int, name: int, size: int, out: int) -> None:
        self.memory.write_u32(out, self._calls.define_metric(metric_type, self.memory.read(name, size)))

    def record_metric(self, metric_id: int, value: int) -> None:
        self._calls.record_metric(metric_id, value)

    def increment_metric(self, metric_id: int, delta: int) -> None:
        self._calls.increment_metric(metric_id, delta - (1 << 64) if delta & _U64_SIGN else delta)

    def get_metric(self, metric_id: int, out: int) -> None:
        self.memory.write_u64(out, self._calls.get_metric(metric_id))

    # Properties and foreign functions.

    def get_property(self, path: int, size: int, address_out: int, size_out: int) -> None:
        self._give(self._calls.get_property(self.memory.read(path, size)), address_out, size_out)

    def set_property(self, path: int, size: int, value: int, value_size: int) -> None:
        read = self.memory.read
        self._calls.set_property(read(path, size), read(value, value_size))

    def call_foreign_function(
        self, name: int, name_size: int, arguments: int, arguments_size: int, address_out: int, size_out: int
    ) -> None:
        read = self.memory.read
        result = self._calls.call_foreign_function(read(name, name_size), read(arguments, arguments_size))
        # Either pointer may be null: the module doesn't want to know.
        address = 0
        if result and address_out:
            address = self._allocate(len(result))
            if not address:
                raise HostCallFailed(Status.INVALID_MEMORY_ACCESS)
            self.memory.write(address, result)
        if address_out:
            self.memory.write_u32(address_out, address)
        if size_out:
            self.memory.write_u32(size_out, len(result))

    def get_configuration(self, address_out: int, size_out: int) -> None:
        self._give(self._calls.get_configuration(), address_out, size_out)

    # Not of the ABI, but Envoy offers them.

    def pthread_equal(self, left: int, right: int) -> int:
        return int(left == right)

    def emscripten_notify_memory_growth(self, _index: int) -> None:
        pass

    def envoy_resolve_dns(self, _name: int, _size: int, _out: int) -> int:
        return int(Status.UNIMPLEMENTED)


def _check_map(map_type: int) -> None:
    if map_type > _MAX_MAP:
        raise HostCallFailed(Status.BAD_ARGUMENT)
