"""Streams on their way: their callbacks, their coroutines, and their failures."""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._callbacks import BODIES, HTTP_CALLBACKS, REQUEST, RESPONSE
from proxy_wasm._contexts import (
    ANSWERED,
    BUSY,
    CLOSED,
    PAUSED,
    RELEASED,
    REPLACED,
    Context,
    PluginContext,
    StreamContext,
    is_over,
)
from proxy_wasm._errors import ProxyWasmError
from proxy_wasm._failure import CONTINUE, PAUSE, Ended, consequence, refuse, release
from proxy_wasm._http import HttpContext
from proxy_wasm._pending import COROUTINE, Task
from proxy_wasm._phase import phase
from proxy_wasm._report import report
from proxy_wasm._types import Action, FailureMode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from proxy_wasm._callbacks import Callback
    from proxy_wasm._tcp import TcpContext


FIRST = "on_request_headers"


class Streams:
    """The contexts of one VM, and what runs in them."""

    def __init__(self) -> None:
        self.metric_ids: dict[tuple[int, str], int] = {}
        """By type and name; ids are valid in this VM only."""
        self._contexts: dict[int, Context] = {}
        self._undecided: dict[int, PluginContext] = {}
        """Streams that may be HTTP or TCP; their first callback decides."""
        self._ended: dict[int, Ended] = {}
        """Streams that failed."""

    def _stream_callback(
        self,
        name: str,
        direction: int,
        parameters: int,
        method: Callable[..., Any],
        create: Callable[[PluginContext], Context],
    ) -> Callback:
        """Make a callback that answers an action. The common case is short: look up, note the phase, call."""
        if name == FIRST:
            return self._first_callback(method, create)
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

    def _first_callback(
        self, method: Callable[..., Any], create: Callable[[PluginContext], Context]
    ) -> Callback:
        """Make the callback for request headers: as the others, and it keeps the request id for the log."""
        contexts, name, direction = self._contexts, FIRST, REQUEST

        def first(context_id: int, size: int, end_of_stream: bool) -> int:
            context = contexts.get(context_id)
            if context is None or context._state:
                return self._detour(context_id, name, direction, method, create, (size, end_of_stream))
            phase.callback = name
            phase.context = phase.effective = context
            try:
                # Hosts forget it with the headers, and every log line of the stream wants it.
                context._request_id = host.get_header_map_value(REQUEST, b"x-request-id")  # type: ignore[attr-defined] # HTTP
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

        return first

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
        if is_over(state, direction):
            return PAUSE
        if state & BUSY << direction:
            self._defer(context, direction, name, arguments)
            return PAUSE
        phase.callback = name
        phase.context = phase.effective = context
        try:
            if name == FIRST:
                context._request_id = host.get_header_map_value(REQUEST, b"x-request-id")  # type: ignore[attr-defined] # HTTP
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
            result = task.outcome()
        action = _action(name, result)
        state = context._state
        if is_over(state, direction):
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
            task.outcome()
        else:
            self._suspend(task)
        return True

    def _defer(self, context: Context, direction: int, name: str, arguments: tuple[Any, ...]) -> None:
        for task in context._tasks or ():
            if task.direction == direction:
                task.deferred[name] = arguments
        context._state &= ~(RELEASED << direction)

    def _on_task_end(self, task: Task) -> None:
        """A coroutine that waited has ended.

        Hand in what was held back meanwhile, then let the stream go on.
        """
        context, direction = task.context, task.direction
        if context._tasks is not None and task in context._tasks:
            context._tasks.remove(task)
        try:
            result = task.outcome()
            if direction is None:
                return
            context._state &= ~(BUSY << direction)
            action = self._settle(context, direction, task.callback, result)
            for name, arguments in task.deferred.items():
                if is_over(context._state, direction):
                    return
                if context._state & BUSY << direction:
                    self._defer(context, direction, name, arguments)
                    continue
                action = self._deliver(context, direction, name, arguments)
            released = context._state & RELEASED << direction
            context._state &= ~(RELEASED << direction)
            if action == CONTINUE and not released:
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

    def _create(
        self, context_id: int, plugin: PluginContext, make: Callable[[PluginContext], Context]
    ) -> Context | None:
        phase.callback = "create"
        phase.context, phase.effective = plugin, None
        phase.creating = (context_id, plugin)
        context: Context | None
        try:
            context = make(plugin)
            self._contexts[context_id] = _fresh(context, context_id)
        except (Exception, SystemExit) as error:
            context = None
            self._ended[context_id] = Ended(None, plugin.failure_mode)
            report(plugin, None, f"making context {context_id}", error, consequence(plugin.failure_mode))
        phase.callback = phase.creating = None
        return context

    @staticmethod
    def _make_http(plugin: PluginContext) -> HttpContext:
        return plugin.create_http_context()

    @staticmethod
    def _make_tcp(plugin: PluginContext) -> TcpContext:
        return plugin.create_tcp_context()

    def _failed_context(self, context_id: int) -> Context | None:
        ended = self._ended.get(context_id)
        return None if ended is None else ended.context

    def _end_work(self, context: Context) -> None:
        """Cancel the coroutines of a context and forget its calls."""
        tasks, context._tasks = context._tasks, None
        for task in tasks or ():
            phase.callback = task.callback
            phase.context = context
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
        try:
            context.make_effective()  # again, if other streams waited for these calls
        except ProxyWasmError:
            phase.effective = None

    # Failures

    def _fail(
        self,
        context: Context,
        name: str,
        error: BaseException,
        direction: int | None,
        stalled: int | None = None,
    ) -> int:
        """Log and count what came out of the filter, answer by failure mode; gives ``direction``'s action.

        Outside a directed callback ``direction`` is ``None``; ``stalled`` is the direction that a failed
        coroutine held.
        """
        plugin = context.plugin
        mode = plugin.failure_mode
        phase.callback, phase.context = name, context
        if isinstance(context, PluginContext):
            report(plugin, context, name, error, "nothing waits for it")
            return CONTINUE
        report(plugin, context, name, error, consequence(mode))
        self._end_work(context)
        self._contexts.pop(context.context_id, None)
        ended = self._ended[context.context_id] = Ended(context, mode)
        ended.unanswered = False
        state = context._state
        phase.callback, phase.context = name, context
        try:
            context.make_effective()
            if mode == FailureMode.OPEN:
                release(state, direction, stalled, http=isinstance(context, HttpContext))
            elif not state & (ANSWERED | CLOSED):
                refuse(name)
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
                refuse(name)
            except ProxyWasmError as error:
                report(None, None, name, error, "the host did not take the answer")
            phase.callback = None
            if name in HTTP_CALLBACKS and direction == REQUEST:
                ended.response = CONTINUE
            return PAUSE
        return ended.answer(direction)


def _fresh(context: Context, context_id: int) -> Context:
    if not isinstance(context, StreamContext) or context.context_id != context_id:
        raise TypeError(f"{context!r}: create_http_context and create_tcp_context must make a new context")
    return context


def _action(name: str, result: object) -> int:
    if result is None:
        return CONTINUE
    if type(result) is Action:
        return int(result)
    raise TypeError(f"{name} returned {result!r}: must be Action.CONTINUE, Action.PAUSE or None")
