"""What a coroutine can wait for, and what runs it: a scheduler without a loop, since the host is the loop.

A coroutine runs inside a callback until it awaits a call-out; the callback that brings the answer runs it on.
Nothing else ever wakes it, so there is nothing to poll.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._phase import phase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator
    from typing import Any, TypeVar, overload

    from proxy_wasm._contexts import Context

    A = TypeVar("A")
    B = TypeVar("B")
    C = TypeVar("C")


async def _nothing() -> None:
    """Only here for its type."""


_sample = _nothing()
COROUTINE: type = type(_sample)
"""The type of what an ``async def`` returns."""
_sample.close()
del _sample


class Pending:
    """A result that comes in a later callback; ``await`` it once or often."""

    __slots__ = ("_done", "_error", "_value", "_waiters", "context")

    def __init__(self, context: Context) -> None:
        self.context = context
        self._done = False
        self._error: BaseException | None = None
        self._value: Any = None
        self._waiters: list[Task] | None = None

    def done(self) -> bool:
        """Whether the result, or the failure, is there."""
        return self._done

    def result(self) -> Any:
        """The result, or the exception that stands for the failure.

        ``RuntimeError`` as long as there is neither.
        """
        if not self._done:
            raise RuntimeError("no result yet: await it, or use a callback")
        if self._error is not None:
            raise self._error
        return self._value

    def __await__(self) -> Generator[Pending, None, Any]:
        if not self._done:
            yield self
        return self.result()

    def _settle(self, value: object = None, error: BaseException | None = None) -> None:
        """Note the outcome and run whoever waits."""
        self._done = True
        self._value = value
        self._error = error
        waiters, self._waiters = self._waiters, None
        for task in waiters or ():
            task.step()

    def _wake(self) -> None:
        """Run whoever waits for something short of the outcome."""
        waiters, self._waiters = self._waiters, None
        for task in waiters or ():
            task.step()


class Task(Pending):
    """A coroutine on its way, for one context."""

    __slots__ = ("_coroutine", "callback", "deferred", "direction", "on_end")

    def __init__(
        self,
        context: Context,
        coroutine: Coroutine[Pending, None, object],
        callback: str,
        direction: int | None = None,
    ) -> None:
        super().__init__(context)
        self._coroutine = coroutine
        self.callback = callback
        self.direction = direction
        """Which direction of the stream waits for the end, if one does."""
        self.deferred: dict[str, tuple[int, bool | None]] = {}
        """Callbacks of that direction that came meanwhile: their last size and end of stream."""
        self.on_end: Callable[[Task], None] | None = None
        """Called at the end, unless that came before the first wait."""

    def step(self) -> None:
        """Run until the next wait, or the end."""
        if self._done:
            return
        context = self.context
        outer = phase.callback, phase.context
        phase.callback = self.callback
        phase.context = context
        if phase.effective is not context:
            host.set_effective_context(context.context_id)
            phase.effective = context
        try:
            waiting: object = self._coroutine.send(None)
            while not isinstance(waiting, Pending):
                waiting = self._coroutine.throw(TypeError(_foreign(waiting)))
        except StopIteration as end:
            self._end(end.value, None)
        except (Exception, SystemExit) as error:
            self._end(None, error)
        else:
            if waiting._waiters is None:
                waiting._waiters = [self]
            else:
                waiting._waiters.append(self)
        phase.callback, phase.context = outer

    def _end(self, value: object, error: BaseException | None) -> None:
        self._settle(value, error)
        del error  # its traceback is about to lead through here
        if self.on_end is not None:
            self.on_end(self)

    def outcome(self) -> object:
        """The result, or the exception, once: kept here it would lead back here by its traceback."""
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error

    def cancel(self) -> None:
        """End the coroutine where it waits: ``GeneratorExit`` is raised there, ``finally`` blocks run."""
        if not self._done:
            self._done = True
            self._error = RuntimeError("the coroutine was cancelled")
            self._waiters = None
            self._coroutine.close()


def _foreign(waiting: object) -> str:
    return (
        f"cannot await {type(waiting).__qualname__} here: a filter waits for http_call, grpc_call, "
        f"grpc_stream and gather; there is no asyncio inside a proxy"
    )


async def _gather(*awaitables: Awaitable[Any]) -> tuple[Any, ...]:
    """Wait for several call-outs, or coroutines that make them; the results in the order of the arguments.

    Calls are on their way from the moment they are made. Coroutines start here. A failure is raised when its
    turn comes, and the coroutines that still run are cancelled; so they are if the stream ends.
    """
    context = phase.context
    if context is None:
        raise RuntimeError("gather() belongs into a callback")
    started: list[Task] = []
    try:
        waits: list[Awaitable[Any]] = []
        for awaitable in awaitables:
            if isinstance(awaitable, COROUTINE):
                task = Task(context, awaitable, phase.callback or "gather")  # type: ignore[arg-type] # COROUTINE
                started.append(task)
                waits.append(task)
                task.step()
            else:
                waits.append(awaitable)
        results = [await wait for wait in waits]
        return tuple(results)
    finally:
        for task in started:
            task.cancel()


if TYPE_CHECKING:

    @overload
    async def gather(first: Awaitable[A], second: Awaitable[B], /) -> tuple[A, B]: ...
    @overload
    async def gather(first: Awaitable[A], second: Awaitable[B], third: Awaitable[C], /) -> tuple[A, B, C]: ...
    @overload
    async def gather(*awaitables: Awaitable[Any]) -> tuple[Any, ...]: ...
    async def gather(*awaitables: Awaitable[Any]) -> tuple[Any, ...]:
        """Types only; see below."""
        return awaitables
else:
    gather = _gather
    gather.__name__ = gather.__qualname__ = "gather"
