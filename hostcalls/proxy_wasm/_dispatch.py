"""From the ABI's callbacks to the methods of contexts."""

from __future__ import annotations

from proxy_wasm._abi import MAX_SIZE, host
from proxy_wasm._boot import vm_boot
from proxy_wasm._callbacks import (
    HTTP_CALLBACKS,
    TCP_CALLBACKS,
    TCP_CLOSE_CALLBACKS,
    overrides,
    plugin_around,
    stream_class,
)
from proxy_wasm._contexts import Context, PluginContext, StreamContext
from proxy_wasm._failure import Ended
from proxy_wasm._http import HttpContext
from proxy_wasm._phase import phase
from proxy_wasm._report import report
from proxy_wasm._streams import Streams
from proxy_wasm._tcp import TcpContext
from proxy_wasm._types import BufferType, PeerType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from proxy_wasm._callbacks import Callback
    from proxy_wasm._calls import GrpcCall, GrpcStream


class Dispatcher(Streams):
    """All contexts of one VM.

    ``callbacks`` holds what the VM's host may call: only what the plugin overrides, and upkeep.
    """

    def __init__(self, filter_class: type[PluginContext | StreamContext]) -> None:
        super().__init__()
        plugin_class = (
            filter_class
            if issubclass(filter_class, PluginContext)
            else plugin_around([filter_class], filter_class.__module__)
        )
        self.plugin_class = plugin_class
        self._http, self._http_methods = stream_class(
            plugin_class, "http_context", "create_http_context", HttpContext
        )
        self._tcp, self._tcp_methods = stream_class(
            plugin_class, "tcp_context", "create_tcp_context", TcpContext
        )
        host.set_failure_response(int(plugin_class.failure_mode))
        self.callbacks: dict[str, Callback] = self._make_callbacks()

    # What the host calls

    def _make_callbacks(self) -> dict[str, Callback]:
        callbacks: dict[str, Callback] = {
            "vm_boot": vm_boot,
            "proxy_on_context_create": self._on_context_create,
            "proxy_on_configure": self._on_configure,
            "proxy_on_delete": self._on_delete,
            "proxy_on_http_call_response": self._on_http_call_response,
            "proxy_on_grpc_receive_initial_metadata": self._on_grpc_receive_initial_metadata,
            "proxy_on_grpc_receive": self._on_grpc_receive,
            "proxy_on_grpc_receive_trailing_metadata": self._on_grpc_receive_trailing_metadata,
            "proxy_on_grpc_close": self._on_grpc_close,
        }
        for table, methods, create in (
            (HTTP_CALLBACKS, self._http_methods, self._make_http),
            (TCP_CALLBACKS, self._tcp_methods, self._make_tcp),
        ):
            for name, (direction, parameters) in table.items():
                if name in methods:
                    callbacks[f"proxy_{name}"] = self._stream_callback(
                        name, direction, parameters, methods[name], create
                    )
        for name in TCP_CLOSE_CALLBACKS:
            if name in self._tcp_methods:
                callbacks[f"proxy_{name}"] = self._close_callback(name)
        plugin = self.plugin_class
        optional: dict[str, Callback] = {
            "on_vm_start": self._on_vm_start,
            "on_tick": self._on_tick,
            "on_queue_ready": self._on_queue_ready,
            "on_foreign_function": self._on_foreign_function,
        }
        for name, callback in optional.items():
            if overrides(plugin, PluginContext, name):
                callbacks[f"proxy_{name}"] = callback
        streams = {**self._http_methods, **self._tcp_methods}
        if "on_done" in streams or overrides(plugin, PluginContext, "on_done"):
            callbacks["proxy_on_done"] = self._on_done
        if "on_log" in streams or overrides(plugin, PluginContext, "on_log"):
            callbacks["proxy_on_log"] = self._on_log
        return callbacks

    # Contexts come and go

    def _on_context_create(self, context_id: int, parent_id: int) -> None:
        if parent_id == 0:
            self._create_plugin(context_id)
            return
        plugin = self._contexts.get(parent_id)
        if not isinstance(plugin, PluginContext):
            self._ended[context_id] = Ended(None, self.plugin_class.failure_mode)
        elif self._http and self._tcp:
            self._undecided[context_id] = plugin
        elif self._http or self._tcp:
            self._create(context_id, plugin, self._make_tcp if self._tcp else self._make_http)

    def _create_plugin(self, context_id: int) -> None:
        phase.callback = "__init__"
        phase.context = phase.effective = None
        phase.creating = (context_id, None)
        try:
            plugin = self.plugin_class()
            plugin._dispatcher = self
            self._contexts[context_id] = plugin
        except (Exception, SystemExit) as error:
            report(None, None, f"{self.plugin_class.__qualname__}()", error, "the plugin does not start")
        phase.callback = phase.creating = None

    def _on_done(self, context_id: int) -> int:
        context = self._contexts.get(context_id) or self._failed_context(context_id)
        if context is None:
            return 1
        if (context._tasks or context._calls) and not isinstance(context, PluginContext):
            self._end_work(context)
        return 0 if self._call(context, "on_done", context.on_done) is False else 1

    def _on_log(self, context_id: int) -> None:
        context = self._contexts.get(context_id) or self._failed_context(context_id)
        if context is None and context_id in self._undecided:
            # An access logger, or a stream that ended before it began: HTTP, for all that Envoy does.
            context = self._create(context_id, self._undecided.pop(context_id), self._make_http)
        if context is None:
            return
        if (context._tasks or context._calls) and not isinstance(context, PluginContext):
            self._end_work(context)
        self._call(context, "on_log", context.on_log)

    def _on_delete(self, context_id: int) -> None:
        context = self._contexts.pop(context_id, None)
        if context is None:
            self._undecided.pop(context_id, None)
            ended = self._ended.pop(context_id, None)
            context = None if ended is None else ended.context
        if context is not None:
            if context._tasks or context._calls:
                self._end_work(context)
            if type(context).on_delete is not Context.on_delete:
                self._call(context, "on_delete", context.on_delete)
        phase.context = phase.effective = None

    # Plugins

    def _on_vm_start(self, context_id: int, configuration_size: int) -> int:
        plugin = self._contexts.get(context_id) or next(iter(self._contexts.values()), None)
        if not isinstance(plugin, PluginContext):
            return 0
        return self._start(plugin, "on_vm_start", BufferType.VM_CONFIGURATION, configuration_size)

    def _on_configure(self, context_id: int, configuration_size: int) -> int:
        plugin = self._contexts.get(context_id)
        if not isinstance(plugin, PluginContext):
            return 0
        accepted = self._start(plugin, "on_configure", BufferType.PLUGIN_CONFIGURATION, configuration_size)
        host.set_failure_response(int(plugin.failure_mode))
        return accepted

    def _start(self, plugin: PluginContext, name: str, buffer: int, size: int) -> int:
        phase.callback = name
        phase.context = phase.effective = plugin
        try:
            configuration = host.get_buffer_bytes(int(buffer), 0, size) if size else b""
            result = getattr(plugin, name)(configuration or b"")
            if self._background(plugin, name, result):
                result = None
            accepted = _verdict(name, result)
        except (Exception, SystemExit) as error:
            report(plugin, plugin, name, error, "the plugin does not start")
            accepted = 0
        phase.callback = None
        return accepted

    def _on_tick(self, context_id: int) -> None:
        self._plugin_call(context_id, "on_tick")

    def _on_queue_ready(self, context_id: int, queue_id: int) -> None:
        self._plugin_call(context_id, "on_queue_ready", queue_id)

    def _on_foreign_function(self, context_id: int, function_id: int, arguments_size: int) -> None:
        arguments = (
            host.get_buffer_bytes(int(BufferType.FOREIGN_FUNCTION_ARGUMENTS), 0, MAX_SIZE)
            if arguments_size
            else b""
        )
        self._plugin_call(context_id, "on_foreign_function", function_id, arguments or b"")

    def _plugin_call(self, context_id: int, name: str, *arguments: Any) -> None:
        plugin = self._contexts.get(context_id)
        if plugin is not None:
            self._call(plugin, name, getattr(plugin, name), *arguments)

    def _call(self, context: Context, name: str, method: Callable[..., Any], *arguments: Any) -> object:
        """Call a method that answers nothing to the host.

        An exception is logged and counted, and that is that.
        """
        phase.callback = name
        phase.context = phase.effective = context
        result: object = None
        try:
            result = method(*arguments)
            self._background(context, name, result)
        except (Exception, SystemExit) as error:
            report(context.plugin, context, name, error, "nothing waits for it")
        phase.callback = None
        return result

    def _close_callback(self, name: str) -> Callback:
        def closed(context_id: int, peer_type: int) -> None:
            context = self._contexts.get(context_id) or self._failed_context(context_id)
            if context is not None:
                self._call(context, name, getattr(context, name), PeerType.of(peer_type))

        return closed

    # Answers to call-outs

    def _on_http_call_response(
        self, context_id: int, call_id: int, num_headers: int, body_size: int, num_trailers: int
    ) -> None:
        context = self._contexts.get(context_id)  # the plugin's for Envoy, the stream's for others
        call = None if context is None else context.plugin._http_calls.get(call_id)
        if call is not None:
            self._answer_call(
                call.context, "on_http_call_response", call._receive, num_headers, body_size, num_trailers
            )

    def _on_grpc_receive_initial_metadata(self, context_id: int, call_id: int, _num_elements: int) -> None:
        call = self._grpc_call(context_id, call_id)
        if call is not None:
            self._answer_call(call.context, "on_grpc_receive_initial_metadata", call._on_initial_metadata)

    def _on_grpc_receive(self, context_id: int, call_id: int, message_size: int) -> None:
        call = self._grpc_call(context_id, call_id)
        if call is not None:
            self._answer_call(call.context, "on_grpc_receive", call._on_message, message_size)

    def _on_grpc_receive_trailing_metadata(self, context_id: int, call_id: int, _num_elements: int) -> None:
        call = self._grpc_call(context_id, call_id)
        if call is not None:
            self._answer_call(call.context, "on_grpc_receive_trailing_metadata", call._on_trailing_metadata)

    def _on_grpc_close(self, context_id: int, call_id: int, status_code: int) -> None:
        call = self._grpc_call(context_id, call_id)
        if call is not None:
            self._answer_call(call.context, "on_grpc_close", call._on_close, status_code)

    def _grpc_call(self, context_id: int, call_id: int) -> GrpcCall | GrpcStream | None:
        context = self._contexts.get(context_id)
        return None if context is None else context.plugin._grpc_calls.get(call_id)

    def _answer_call(
        self, context: Context, name: str, receive: Callable[..., object], *arguments: int
    ) -> None:
        phase.callback = name
        phase.context = context
        phase.effective = context.plugin
        try:
            context.make_effective()
            self._background(context, name, receive(*arguments))
        except (Exception, SystemExit) as error:
            self._fail(context, name, error, None)
        phase.callback = None


def _verdict(name: str, result: object) -> int:
    if result is None or result is True:
        return 1
    if result is False:
        return 0
    raise TypeError(f"{name} returned {result!r}: must be True, False or None")
