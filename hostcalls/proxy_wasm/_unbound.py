"""The native look-alike of the C module ``_proxy_wasm``: every host call goes to the host that is bound.

A host outside the wasm implements :class:`HostFunctions` and runs each callback inside ``with bind(host):``.
A status other than OK is raised by the host as :class:`HostStatus`; this module turns it into what the wasm's
C module makes of it: ``None`` where absence is an ordinary answer, else the exception of the error factory.
"""

from __future__ import annotations

from proxy_wasm._errors import HostNotBoundError
from proxy_wasm._phase import phase
from proxy_wasm._types import Status

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Protocol

    Buffer = bytes | bytearray | memoryview
    Text = str | Buffer
    Pairs = Iterable[tuple[Buffer, Buffer]]

    class HostFunctions(Protocol):
        """What a native host implements: seam 1's functions, with plain ``bytes`` in and out.

        A status other than OK is raised as :class:`HostStatus`, absence included.
        """

        def log(self, level: int, message: bytes, /) -> None: ...
        def get_log_level(self, /) -> int: ...
        def get_current_time_nanoseconds(self, /) -> int: ...
        def set_tick_period_milliseconds(self, period: int, /) -> None: ...
        def get_buffer_bytes(self, buffer: int, start: int, max_size: int, /) -> bytes: ...
        def get_buffer_status(self, buffer: int, /) -> tuple[int, int]: ...
        def set_buffer_bytes(self, buffer: int, start: int, size: int, value: bytes, /) -> None: ...
        def get_header_map_size(self, map_type: int, /) -> int: ...
        def get_header_map_pairs(self, map_type: int, /) -> list[tuple[bytes, bytes]]: ...
        def set_header_map_pairs(self, map_type: int, pairs: list[tuple[bytes, bytes]], /) -> None: ...
        def get_header_map_value(self, map_type: int, key: bytes, /) -> bytes: ...
        def add_header_map_value(self, map_type: int, key: bytes, value: bytes, /) -> None: ...
        def replace_header_map_value(self, map_type: int, key: bytes, value: bytes, /) -> None: ...
        def remove_header_map_value(self, map_type: int, key: bytes, /) -> None: ...
        def continue_stream(self, stream_type: int, /) -> None: ...
        def close_stream(self, stream_type: int, /) -> None: ...
        def get_status(self, /) -> tuple[int, bytes]: ...
        def send_local_response(
            self,
            status: int,
            details: bytes,
            body: bytes,
            headers: list[tuple[bytes, bytes]],
            grpc_status: int,
            /,
        ) -> None: ...
        def http_call(
            self,
            upstream: bytes,
            headers: list[tuple[bytes, bytes]],
            body: bytes,
            trailers: list[tuple[bytes, bytes]],
            timeout_ms: int,
            /,
        ) -> int: ...
        def grpc_call(
            self,
            upstream: bytes,
            service: bytes,
            method: bytes,
            initial_metadata: list[tuple[bytes, bytes]],
            message: bytes,
            timeout_ms: int,
            /,
        ) -> int: ...
        def grpc_stream(
            self,
            upstream: bytes,
            service: bytes,
            method: bytes,
            initial_metadata: list[tuple[bytes, bytes]],
            /,
        ) -> int: ...
        def grpc_send(self, call_id: int, message: bytes, end_stream: bool, /) -> None: ...
        def grpc_cancel(self, call_id: int, /) -> None: ...
        def grpc_close(self, call_id: int, /) -> None: ...
        def get_shared_data(self, key: bytes, /) -> tuple[bytes, int]: ...
        def set_shared_data(self, key: bytes, value: bytes, cas: int, /) -> None: ...
        def register_shared_queue(self, name: bytes, /) -> int: ...
        def resolve_shared_queue(self, vm_id: bytes, name: bytes, /) -> int: ...
        def enqueue_shared_queue(self, queue_id: int, value: bytes, /) -> None: ...
        def dequeue_shared_queue(self, queue_id: int, /) -> bytes: ...
        def define_metric(self, metric_type: int, name: bytes, /) -> int: ...
        def record_metric(self, metric_id: int, value: int, /) -> None: ...
        def increment_metric(self, metric_id: int, delta: int, /) -> None: ...
        def get_metric(self, metric_id: int, /) -> int: ...
        def get_property(self, path: bytes, /) -> bytes: ...
        def set_property(self, path: bytes, value: bytes, /) -> None: ...
        def call_foreign_function(self, name: bytes, arguments: bytes, /) -> bytes: ...
        def set_effective_context(self, context_id: int, /) -> None: ...
        def done(self, /) -> None: ...
        def environ(self, /) -> list[tuple[bytes, bytes]]: ...


class HostStatus(Exception):  # noqa: N818 - a message between host and SDK, never seen by a filter
    """Raised by a native host's function: the status it answers with, NOT_FOUND and EMPTY included."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(Status.of(status))


_bound: HostFunctions | None = None
_factory: Callable[[str, int], BaseException] | None = None
_pushed: Mapping[str, Callable[..., int | None]] = {}
_failure_response = 1


class bind:  # noqa: N801 - used like a function: with bind(host): ...
    """Context manager: host calls go to ``host`` inside. Bindings nest; each has a phase of its own.

    The native interpreter has one binding at a time, as the wasm has one host: use it from one thread.
    """

    __slots__ = ("_host", "_outer")

    def __init__(self, host: HostFunctions) -> None:
        self._host = host
        self._outer: tuple[HostFunctions | None, tuple[object, ...]] | None = None

    def __enter__(self) -> None:
        global _bound  # noqa: PLW0603 - stands for the wasm's import table, of which there is one
        self._outer = (_bound, (phase.callback, phase.context, phase.effective, phase.creating, phase.vm))
        _bound = self._host
        phase.callback = phase.context = phase.effective = phase.creating = None
        phase.vm = self._host

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        global _bound
        if self._outer is not None:
            _bound, saved = self._outer
            for name, value in zip(
                ("callback", "context", "effective", "creating", "vm"), saved, strict=True
            ):
                setattr(phase, name, value)


def _host(call: str) -> HostFunctions:
    if _bound is None:
        raise HostNotBoundError(call)
    return _bound


def _error(call: str, status: int) -> BaseException:
    return RuntimeError(f"proxy_{call}: status {status}") if _factory is None else _factory(call, status)


def _pairs(pairs: Pairs) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in pairs]


def _text(message: Text) -> bytes:
    return message.encode("utf-8", "backslashreplace") if isinstance(message, str) else bytes(message)


def set_error_factory(factory: Callable[[str, int], BaseException], /) -> None:
    global _factory  # noqa: PLW0603 - the C module keeps it the same way
    _factory = factory


def set_callbacks(callbacks: Mapping[str, Callable[..., int | None]], /) -> None:
    """The wasm's C side calls these; natively a host takes them from its ``Dispatcher``."""
    global _pushed  # noqa: PLW0603 - the C module keeps it the same way
    _pushed = callbacks


def set_failure_response(mode: int, /) -> None:
    global _failure_response  # noqa: PLW0603 - the C module keeps it the same way
    _failure_response = mode


def log(level: int, message: Text, /) -> None:
    try:
        _host("log").log(level, _text(message))
    except HostStatus as answer:
        raise _error("log", answer.status) from None


def get_log_level() -> int:
    try:
        return _host("get_log_level").get_log_level()
    except HostStatus as answer:
        raise _error("get_log_level", answer.status) from None


def get_current_time_nanoseconds() -> int:
    try:
        return _host("get_current_time_nanoseconds").get_current_time_nanoseconds()
    except HostStatus as answer:
        raise _error("get_current_time_nanoseconds", answer.status) from None


def set_tick_period_milliseconds(period: int, /) -> None:
    try:
        _host("set_tick_period_milliseconds").set_tick_period_milliseconds(period)
    except HostStatus as answer:
        raise _error("set_tick_period_milliseconds", answer.status) from None


def get_buffer_bytes(buffer: int, start: int, max_size: int, /) -> bytes | None:
    try:
        return _host("get_buffer_bytes").get_buffer_bytes(buffer, start, max_size)
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("get_buffer_bytes", answer.status) from None


def get_buffer_status(buffer: int, /) -> tuple[int, int] | None:
    try:
        return _host("get_buffer_status").get_buffer_status(buffer)
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("get_buffer_status", answer.status) from None


def set_buffer_bytes(buffer: int, start: int, size: int, value: Buffer, /) -> None:
    try:
        _host("set_buffer_bytes").set_buffer_bytes(buffer, start, size, bytes(value))
    except HostStatus as answer:
        raise _error("set_buffer_bytes", answer.status) from None


def get_header_map_size(map_type: int, /) -> int:
    try:
        return _host("get_header_map_size").get_header_map_size(map_type)
    except HostStatus as answer:
        raise _error("get_header_map_size", answer.status) from None


def get_header_map_pairs(map_type: int, /) -> list[tuple[bytes, bytes]]:
    try:
        return _host("get_header_map_pairs").get_header_map_pairs(map_type)
    except HostStatus as answer:
        raise _error("get_header_map_pairs", answer.status) from None


def set_header_map_pairs(map_type: int, pairs: Pairs, /) -> None:
    try:
        _host("set_header_map_pairs").set_header_map_pairs(map_type, _pairs(pairs))
    except HostStatus as answer:
        raise _error("set_header_map_pairs", answer.status) from None


def get_header_map_value(map_type: int, key: Buffer, /) -> bytes | None:
    try:
        return _host("get_header_map_value").get_header_map_value(map_type, bytes(key))
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("get_header_map_value", answer.status) from None


def add_header_map_value(map_type: int, key: Buffer, value: Buffer, /) -> None:
    try:
        _host("add_header_map_value").add_header_map_value(map_type, bytes(key), bytes(value))
    except HostStatus as answer:
        raise _error("add_header_map_value", answer.status) from None


def replace_header_map_value(map_type: int, key: Buffer, value: Buffer, /) -> None:
    try:
        _host("replace_header_map_value").replace_header_map_value(map_type, bytes(key), bytes(value))
    except HostStatus as answer:
        raise _error("replace_header_map_value", answer.status) from None


def remove_header_map_value(map_type: int, key: Buffer, /) -> None:
    try:
        _host("remove_header_map_value").remove_header_map_value(map_type, bytes(key))
    except HostStatus as answer:
        raise _error("remove_header_map_value", answer.status) from None


def continue_stream(stream_type: int, /) -> None:
    try:
        _host("continue_stream").continue_stream(stream_type)
    except HostStatus as answer:
        raise _error("continue_stream", answer.status) from None


def close_stream(stream_type: int, /) -> None:
    try:
        _host("close_stream").close_stream(stream_type)
    except HostStatus as answer:
        raise _error("close_stream", answer.status) from None


def get_status() -> tuple[int, bytes]:
    try:
        return _host("get_status").get_status()
    except HostStatus as answer:
        raise _error("get_status", answer.status) from None


def send_local_response(
    status: int, details: Buffer, body: Buffer, headers: Pairs, grpc_status: int, /
) -> None:
    try:
        _host("send_local_response").send_local_response(
            status, bytes(details), bytes(body), _pairs(headers), grpc_status
        )
    except HostStatus as answer:
        raise _error("send_local_response", answer.status) from None


def http_call(upstream: Buffer, headers: Pairs, body: Buffer, trailers: Pairs, timeout_ms: int, /) -> int:
    try:
        return _host("http_call").http_call(
            bytes(upstream), _pairs(headers), bytes(body), _pairs(trailers), timeout_ms
        )
    except HostStatus as answer:
        raise _error("http_call", answer.status) from None


def grpc_call(
    upstream: Buffer,
    service: Buffer,
    method: Buffer,
    initial_metadata: Pairs,
    message: Buffer,
    timeout_ms: int,
    /,
) -> int:
    try:
        return _host("grpc_call").grpc_call(
            bytes(upstream),
            bytes(service),
            bytes(method),
            _pairs(initial_metadata),
            bytes(message),
            timeout_ms,
        )
    except HostStatus as answer:
        raise _error("grpc_call", answer.status) from None


def grpc_stream(upstream: Buffer, service: Buffer, method: Buffer, initial_metadata: Pairs, /) -> int:
    try:
        return _host("grpc_stream").grpc_stream(
            bytes(upstream), bytes(service), bytes(method), _pairs(initial_metadata)
        )
    except HostStatus as answer:
        raise _error("grpc_stream", answer.status) from None


def grpc_send(call_id: int, message: Buffer, end_stream: bool, /) -> None:
    try:
        _host("grpc_send").grpc_send(call_id, bytes(message), end_stream)
    except HostStatus as answer:
        raise _error("grpc_send", answer.status) from None


def grpc_cancel(call_id: int, /) -> None:
    try:
        _host("grpc_cancel").grpc_cancel(call_id)
    except HostStatus as answer:
        raise _error("grpc_cancel", answer.status) from None


def grpc_close(call_id: int, /) -> None:
    try:
        _host("grpc_close").grpc_close(call_id)
    except HostStatus as answer:
        raise _error("grpc_close", answer.status) from None


def get_shared_data(key: Buffer, /) -> tuple[bytes, int] | None:
    try:
        return _host("get_shared_data").get_shared_data(bytes(key))
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("get_shared_data", answer.status) from None


def set_shared_data(key: Buffer, value: Buffer, cas: int, /) -> None:
    try:
        _host("set_shared_data").set_shared_data(bytes(key), bytes(value), cas)
    except HostStatus as answer:
        raise _error("set_shared_data", answer.status) from None


def register_shared_queue(name: Buffer, /) -> int:
    try:
        return _host("register_shared_queue").register_shared_queue(bytes(name))
    except HostStatus as answer:
        raise _error("register_shared_queue", answer.status) from None


def resolve_shared_queue(vm_id: Buffer, name: Buffer, /) -> int | None:
    try:
        return _host("resolve_shared_queue").resolve_shared_queue(bytes(vm_id), bytes(name))
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("resolve_shared_queue", answer.status) from None


def enqueue_shared_queue(queue_id: int, value: Buffer, /) -> None:
    try:
        _host("enqueue_shared_queue").enqueue_shared_queue(queue_id, bytes(value))
    except HostStatus as answer:
        raise _error("enqueue_shared_queue", answer.status) from None


def dequeue_shared_queue(queue_id: int, /) -> bytes | None:
    try:
        return _host("dequeue_shared_queue").dequeue_shared_queue(queue_id)
    except HostStatus as answer:
        if answer.status == Status.EMPTY:
            return None
        raise _error("dequeue_shared_queue", answer.status) from None


def define_metric(metric_type: int, name: Buffer, /) -> int:
    try:
        return _host("define_metric").define_metric(metric_type, bytes(name))
    except HostStatus as answer:
        raise _error("define_metric", answer.status) from None


def record_metric(metric_id: int, value: int, /) -> None:
    try:
        _host("record_metric").record_metric(metric_id, value)
    except HostStatus as answer:
        raise _error("record_metric", answer.status) from None


def increment_metric(metric_id: int, delta: int, /) -> None:
    try:
        _host("increment_metric").increment_metric(metric_id, delta)
    except HostStatus as answer:
        raise _error("increment_metric", answer.status) from None


def get_metric(metric_id: int, /) -> int:
    try:
        return _host("get_metric").get_metric(metric_id)
    except HostStatus as answer:
        raise _error("get_metric", answer.status) from None


def get_property(path: Buffer, /) -> bytes | None:
    try:
        return _host("get_property").get_property(bytes(path))
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("get_property", answer.status) from None


def set_property(path: Buffer, value: Buffer, /) -> None:
    try:
        _host("set_property").set_property(bytes(path), bytes(value))
    except HostStatus as answer:
        raise _error("set_property", answer.status) from None


def call_foreign_function(name: Buffer, arguments: Buffer, /) -> bytes | None:
    try:
        return _host("call_foreign_function").call_foreign_function(bytes(name), bytes(arguments))
    except HostStatus as answer:
        if answer.status == Status.NOT_FOUND:
            return None
        raise _error("call_foreign_function", answer.status) from None


def set_effective_context(context_id: int, /) -> None:
    try:
        _host("set_effective_context").set_effective_context(context_id)
    except HostStatus as answer:
        raise _error("set_effective_context", answer.status) from None


def done() -> None:
    try:
        _host("done").done()
    except HostStatus as answer:
        raise _error("done", answer.status) from None


def environ() -> list[tuple[bytes, bytes]]:
    try:
        return _host("environ").environ()
    except HostStatus as answer:
        raise _error("environ", answer.status) from None
