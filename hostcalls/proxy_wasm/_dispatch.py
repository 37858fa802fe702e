"""From the ABI's callbacks to the methods of contexts, and from exceptions to the plugin's failure mode."""

from __future__ import annotations

from proxy_wasm._abi import MAX_SIZE, host
from proxy_wasm._boot import vm_boot
from proxy_wasm._contexts import (
    ANSWERED,
    BUSY,
    CLOSED,
    PAUSED,
    REPLACED,
    Context,
    HttpContext,
    PluginContext,
    TcpContext,
)
from proxy_wasm._errors import ProxyWasmError, UnimplementedError
from proxy_wasm._pending import COROUTINE, Task
from proxy_wasm._phase import phase
from proxy_wasm._report import report
from proxy_wasm._types import Action, BufferType, FailureMode, PeerType, StreamType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from proxy_wasm._calls import GrpcCall, GrpcStream

    Callback = Callable[..., int | None]

CONTINUE, PAUSE = 0, 1
REQUEST, RESPONSE = int(StreamType.HTTP_REQUEST), int(StreamType.HTTP_RESPONSE)
DOWNSTREAM, UPSTREAM = int(StreamType.DOWNSTREAM), int(StreamType.UPSTREAM)

# Stream callbacks that answer an action: method, direction, parameters beside the context id.
HTTP_CALLBACKS = {
    "on_request_headers": (REQUEST, 2),
    "on_request_body": (REQUEST, 2),
    "on_request_trailers": (REQUEST, 1),
    "on_request_metadata": (REQUEST, 1),
    "on_response_headers": (RESPONSE, 2),
    "on_response_body": (RESPONSE, 2),
    "on_response_trailers": (RESPONSE, 1),
    "on_response_metadata": (RESPONSE, 1),
}
TCP_CALLBACKS = {
    "on_new_connection": (DOWNSTREAM, 0),
    "on_downstream_data": (DOWNSTREAM, 2),
    "on_upstream_data": (UPSTREAM, 2),
}
TCP_CLOSE_CALLBACKS = ("on_downstream_connection_close", "on_upstream_connection_close")
BODIES = {
    "on_request_body": int(BufferType.HTTP_REQUEST_BODY),
    "on_response_body": int(BufferType.HTTP_RESPONSE_BODY),
    "on_downstream_data": int(BufferType.DOWNSTREAM_DATA),
    "on_upstream_data": int(BufferType.UPSTREAM_DATA),
}
RESPONSE_HEADERS_GONE = ("on_response_body", "on_response_trailers", "on_response_metadata")
ERROR_RESPONSE = 500
GRPC_INTERNAL = 13


class Dispatcher:
    """All contexts of one VM. ``callbacks`` holds what the VM's host may call: only what the plugin overrides, and upkeep."""

    def __init__(self, plugin_class: type[PluginContext]) -> None:
        self.plugin_class = plugin_class
        self.error_metrics: dict[str, int] = {}
        self._contexts: dict[int, Context] = {}
        self._undecided: dict[int, PluginContext] = {}
        """Streams that may be HTTP or TCP; their first callback decides."""
        self._ended: dict[int, _Ended] = {}
        """Streams that failed."""
        self._http, self._http_methods = _stream_class(
            plugin_class, "http_context", "create_http_context", HttpContext
        )
        self._tcp, self._tcp_methods = _stream_class(
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
            if _overrides(plugin, PluginContext, name):
                callbacks[f"proxy_{name}"] = callback
        streams = {**self._http_methods, **self._tcp_methods}
        if "on_done" in streams or _overrides(plugin, PluginContext, "on_done"):
            callbacks["proxy_on_done"] = self._on_done
        if "on_log" in streams or _overrides(plugin, PluginContext, "on_log"):
            callbacks["proxy_on_log"] = self._on_log
        return callbacks

    def _stream_callback(
        self,
        name: str,
        direction: int,
        parameters: int,
        method: Callable[..., Any],
        create: Callable[[PluginContext], Context],
    ) -> Callback:
        """A callback that answers an action. The common case is short: look up, note the phase, call."""
        contexts = self._contexts

        def three(context_id: int, size: int, end_of_stream: bool) -> int:
            context = contexts.get(context_id)
            if context is None or context._state:
                return self._detour(context_id, name, direction, method, create, (size, end_of_stream))
            phase.callback = name
            phase.context = phase.effective = context
            try:
                result = method(context, size, end_of_stream)
                action = (
                    CONTINUE
                    if result is None and not context._state
                    else self._settle(context, direction, name, result)
                )
            except (Exception, SystemExit) as error:
                action = self._fail(context, name, error, direction)
            phase.callback = None
            return action

        def two(context_id: int, size: int) -> int:
            context = contexts.get(context_id)
            if context is None or context._state:
                return self._detour(context_id, name, direction, method, create, (size,))
            phase.callback = name
            phase.context = phase.effective = context
            try:
                action = self._settle(context, direction, name, method(context, size))
            except (Exception, SystemExit) as error:
                action = self._fail(context, name, error, direction)
            phase.callback = None
            return action

        def one(context_id: int) -> int:
            return self._detour(context_id, name, direction, method, create, ())

        return (one, two, three)[parameters]

    def _detour(
        self,
        context_id: int,
        name: str,
        direction: int,
        method: Callable[..., Any],
        create: Callable[[PluginContext], Context],
        arguments: tuple[Any, ...],
    ) -> int:
        """A stream callback that is not the common case."""
        context = self._contexts.get(context_id)
        if context is None:
            plugin = self._undecided.pop(context_id, None)
            if plugin is not None:
                context = self._create(context_id, plugin, create)
            if context is None:
                return self._answer_ended(context_id, name, direction)
        state = context._state
        if (
            state & CLOSED
            or (state & ANSWERED and direction == REQUEST)
            or (state & REPLACED and direction == RESPONSE)
        ):
            return PAUSE
        if state & BUSY << direction:
            self._defer(context, direction, name, arguments)
            return PAUSE
        phase.callback = name
        phase.context = phase.effective = context
        try:
            action = self._settle(context, direction, name, method(context, *arguments))
        except (Exception, SystemExit) as error:
            action = self._fail(context, name, error, direction)
        phase.callback = None
        return action

    def _settle(self, context: Context, direction: int, name: str, result: object) -> int:
        """The action of a callback's result; a coroutine is run up to its first wait."""
        if isinstance(result, COROUTINE):
            task = Task(context, result, name, direction)  # type: ignore[arg-type] # checked by COROUTINE
            task.step()
            if not task.done():
                self._suspend(task)
                context._state |= BUSY << direction
                return PAUSE
            result = task.result()
        action = _action(name, result)
        state = context._state
        if (
            state & CLOSED
            or (state & ANSWERED and direction == REQUEST)
            or (state & REPLACED and direction == RESPONSE)
        ):
            return PAUSE
        if action:
            context._state = state | PAUSED << direction
        elif state:
            context._state = state & ~(PAUSED << direction)
        return action

    # Coroutines

    def _suspend(self, task: Task) -> None:
        context = task.context
        task.on_end = self._on_task_end
        if context._tasks is None:
            context._tasks = [task]
        else:
            context._tasks.append(task)

    def _background(self, context: Context, name: str, result: object) -> bool:
        """Run what a callback returned, if it is a coroutine that nobody waits for; whether it was one."""
        if not isinstance(result, COROUTINE):
            return False
        task = Task(context, result, name)  # type: ignore[arg-type] # checked by COROUTINE
        task.step()
        if task.done():
            task.result()
        else:
            self._suspend(task)
        return True

    def _defer(self, context: Context, direction: int, name: str, arguments: tuple[Any, ...]) -> None:
        for task in context._tasks or ():
            if task.direction == direction:
                task.deferred[name] = arguments

    def _on_task_end(self, task: Task) -> None:
        """A coroutine that waited has ended: hand in what was held back meanwhile, then let the stream go on."""
        context, direction = task.context, task.direction
        if context._tasks is not None and task in context._tasks:
            context._tasks.remove(task)
        try:
            result = task.result()
            if direction is None:
                return
            context._state &= ~(BUSY << direction)
            action = self._settle(context, direction, task.callback, result)
            for name, arguments in task.deferred.items():
                if context._state & (CLOSED | BUSY << direction):
                    self._defer(context, direction, name, arguments)
                    continue
                action = self._deliver(context, direction, name, arguments)
            if action == CONTINUE:
                context.make_effective()
                host.continue_stream(direction)
        except (Exception, SystemExit) as error:
            self._fail(context, phase.callback or task.callback, error, None, direction)

    def _deliver(self, context: Context, direction: int, name: str, arguments: tuple[Any, ...]) -> int:
        context.make_effective()
        if name in BODIES:
            status = host.get_buffer_status(BODIES[name])
            arguments = (arguments[0] if status is None else status[0], arguments[1])
        phase.callback = name
        phase.context = context
        return self._settle(context, direction, name, getattr(context, name)(*arguments))

    # Contexts come and go

    def _on_context_create(self, context_id: int, parent_id: int) -> None:
        if parent_id == 0:
            self._create_plugin(context_id)
            return
        plugin = self._contexts.get(parent_id)
        if not isinstance(plugin, PluginContext):
            self._ended[context_id] = _Ended(None, self.plugin_class.failure_mode)
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

    def _create(
        self, context_id: int, plugin: PluginContext, make: Callable[[PluginContext], Context]
    ) -> Context | None:
        phase.callback = "create"
        phase.context, phase.effective = plugin, None
        phase.creating = (context_id, plugin)
        context: Context | None = None
        try:
            context = self._contexts[context_id] = make(plugin)
        except (Exception, SystemExit) as error:
            self._ended[context_id] = _Ended(None, plugin.failure_mode)
            report(plugin, None, f"making context {context_id}", error, _answer(plugin.failure_mode))
        phase.callback = phase.creating = None
        return context

    @staticmethod
    def _make_http(plugin: PluginContext) -> HttpContext:
        return plugin.create_http_context()

    @staticmethod
    def _make_tcp(plugin: PluginContext) -> TcpContext:
        return plugin.create_tcp_context()

    def _on_done(self, context_id: int) -> int:
        context = self._contexts.get(context_id) or self._failed_context(context_id)
        if context is None:
            return 1
        if not isinstance(context, PluginContext):
            self._end_work(context)
        return 0 if self._call(context, "on_done", context.on_done) is False else 1

    def _on_log(self, context_id: int) -> None:
        context = self._contexts.get(context_id) or self._failed_context(context_id)
        if context is None and context_id in self._undecided:
            # An access logger, or a stream that ended before it began: HTTP, for all that Envoy does.
            context = self._create(context_id, self._undecided.pop(context_id), self._make_http)
        if context is None:
            return
        if not isinstance(context, PluginContext):
            self._end_work(context)
        self._call(context, "on_log", context.on_log)

    def _on_delete(self, context_id: int) -> None:
        context = self._contexts.pop(context_id, None)
        if context is None:
            self._undecided.pop(context_id, None)
            ended = self._ended.pop(context_id, None)
            context = None if ended is None else ended.context
        if context is not None:
            self._end_work(context)
            if type(context).on_delete is not Context.on_delete:
                self._call(context, "on_delete", context.on_delete)
        phase.context = phase.effective = None

    def _failed_context(self, context_id: int) -> Context | None:
        ended = self._ended.get(context_id)
        return None if ended is None else ended.context

    def _end_work(self, context: Context) -> None:
        """Cancel the coroutines of a context and forget its calls."""
        tasks, context._tasks = context._tasks, None
        for task in tasks or ():
            phase.callback = task.callback
            phase.context = phase.effective = context
            try:
                task.cancel()
            except (Exception, SystemExit) as error:
                report(context.plugin, context, f"{task.callback} (cancelled)", error, "the stream has ended")
        calls, context._calls = context._calls, None
        for call in calls or ():
            try:
                call._abandon()
            except ProxyWasmError:
                continue  # the host has dropped it already, which is what we want
        phase.callback = None

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
        """Call a method that answers nothing to the host; an exception is logged and counted, and that is that."""
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
        plugin = self._contexts.get(context_id)
        call = plugin._http_calls.get(call_id) if isinstance(plugin, PluginContext) else None
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
        plugin = self._contexts.get(context_id)
        return plugin._grpc_calls.get(call_id) if isinstance(plugin, PluginContext) else None

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

    # Failures

    def _fail(
        self,
        context: Context,
        name: str,
        error: BaseException,
        direction: int | None,
        stalled: int | None = None,
    ) -> int:
        """An exception came out of the filter: log it, count it, answer by failure mode. Gives the action of ``direction``.

        Outside a directed callback ``direction`` is ``None``; ``stalled`` is the direction that a failed coroutine held.
        """
        plugin = context.plugin
        mode = plugin.failure_mode
        phase.callback, phase.context = name, context
        if isinstance(context, PluginContext):
            report(plugin, context, name, error, "nothing waits for it")
            return CONTINUE
        report(plugin, context, name, error, _answer(mode))
        self._end_work(context)
        self._contexts.pop(context.context_id, None)
        ended = self._ended[context.context_id] = _Ended(context, mode)
        ended.unanswered = False
        state = context._state
        phase.callback, phase.context = name, context
        try:
            context.make_effective()
            if mode == FailureMode.OPEN:
                _release(state, direction, stalled, http=isinstance(context, HttpContext))
            elif not state & (ANSWERED | CLOSED):
                _refuse(name)
        except (Exception, SystemExit) as second:
            report(plugin, context, name, second, "the host did not take the answer")
        if isinstance(context, HttpContext):
            if state & (ANSWERED | CLOSED) or mode != FailureMode.OPEN:
                ended.request = PAUSE
            in_response = name.startswith("on_response") or state & (PAUSED << RESPONSE | BUSY << RESPONSE)
            replaced = state & (REPLACED | CLOSED) or (
                mode != FailureMode.OPEN and not state & ANSWERED and in_response
            )
            ended.response = PAUSE if replaced else CONTINUE
        return ended.answer(REQUEST if direction is None else direction)

    def _answer_ended(self, context_id: int, name: str, direction: int) -> int:
        ended = self._ended.get(context_id)
        if ended is None:
            return CONTINUE
        if ended.unanswered:
            ended.unanswered = False
            phase.callback = name
            try:
                _refuse(name)
            except ProxyWasmError as error:
                report(None, None, name, error, "the host did not take the answer")
            phase.callback = None
            if name in HTTP_CALLBACKS and direction == REQUEST:
                ended.response = CONTINUE
            return PAUSE
        return ended.answer(direction)


class _Ended:
    """A stream that failed: what is left of it, and what its callbacks answer from now on."""

    __slots__ = ("context", "request", "response", "unanswered")

    def __init__(self, context: Context | None, mode: int) -> None:
        self.context = context
        self.unanswered = mode != FailureMode.OPEN
        self.request = self.response = PAUSE if self.unanswered else CONTINUE

    def answer(self, direction: int) -> int:
        return self.response if direction in {RESPONSE, UPSTREAM} else self.request


def _refuse(name: str) -> None:
    """Failing closed: 500, or a reset where the client has response headers already, or the end of the connection."""
    if name in TCP_CALLBACKS or name in TCP_CLOSE_CALLBACKS:
        host.close_stream(DOWNSTREAM)
    elif name in RESPONSE_HEADERS_GONE:
        host.close_stream(RESPONSE)
    else:
        host.send_local_response(ERROR_RESPONSE, b"python_exception", b"", [], GRPC_INTERNAL)


def _release(state: int, direction: int | None, stalled: int | None, *, http: bool) -> None:
    """Failing open: whatever the filter holds goes on; ``direction`` does so by the callback's own answer."""
    for held in (REQUEST, RESPONSE) if http else (DOWNSTREAM, UPSTREAM):
        answered = state & ANSWERED and held == REQUEST or state & REPLACED and held == RESPONSE
        if (
            held != direction
            and not answered
            and (held == stalled or state & (PAUSED << held | BUSY << held))
        ):
            try:
                host.continue_stream(held)
            except UnimplementedError:
                continue  # Envoy's upstream: its next data goes on by itself


def _action(name: str, result: object) -> int:
    if result is None:
        return CONTINUE
    if type(result) is Action:
        return int(result)
    raise TypeError(f"{name} returned {result!r}: must be Action.CONTINUE, Action.PAUSE or None")


def _verdict(name: str, result: object) -> int:
    if result is None or result is True:
        return 1
    if result is False:
        return 0
    raise TypeError(f"{name} returned {result!r}: must be True, False or None")


def _answer(mode: int) -> str:
    return (
        "failing open, the stream goes on" if mode == FailureMode.OPEN else "failing closed, the stream ends"
    )


def _overrides(cls: type, base: type, name: str) -> bool:
    return getattr(cls, name) is not getattr(base, name)


def _stream_class(
    plugin: type[PluginContext], attribute: str, create: str, base: type[Context]
) -> tuple[bool, dict[str, Callable[..., Any]]]:
    """Whether the plugin has streams of this kind, and which callbacks they override.

    With ``create_..._context`` overridden, their class shows only when it is called: then whatever any stream class
    overrides counts, and is looked up by name.
    """
    names = [
        *(HTTP_CALLBACKS if base is HttpContext else (*TCP_CALLBACKS, *TCP_CLOSE_CALLBACKS)),
        "on_done",
        "on_log",
    ]
    cls = getattr(plugin, attribute)
    if not _overrides(plugin, PluginContext, create):
        return cls is not None, {} if cls is None else {
            n: getattr(cls, n) for n in names if _overrides(cls, base, n)
        }
    classes = _subclasses(base)
    return True, {name: _by_name(name) for name in names if any(_overrides(c, base, name) for c in classes)}


def _subclasses(cls: type[Context]) -> list[type[Context]]:
    found: list[type[Context]] = []
    for child in cls.__subclasses__():
        found += [child, *_subclasses(child)]
    return found


def _by_name(name: str) -> Callable[..., Any]:
    def call(context: Context, *arguments: Any) -> Any:
        return getattr(context, name)(*arguments)

    return call
