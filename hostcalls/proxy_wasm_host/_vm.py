"""A VM: its contexts, what it is calling right now, and what becomes of it when it fails.

Subclasses say how a callback is run: in wasm (`_wasm_vm`) or in this interpreter (`_native`).
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from proxy_wasm_host._abi import LogLevel
from proxy_wasm_host._callouts import Calls
from proxy_wasm_host._context import Context, RootContext
from proxy_wasm_host._hostcalls import HostCalls
from proxy_wasm_host._limits import FailurePolicy
from proxy_wasm_host._metrics import MetricTable
from proxy_wasm_host._plugin import Plugin
from proxy_wasm_host.errors import ClosedError, ModuleFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from proxy_wasm_host._host import Host

_MILLISECOND = 1_000_000


class Vm:
    """One VM. Made by `Host.vm()` or `Host.native_vm()`.

    Attributes: `failure` is the error that ended it, `plugins` its plugins in order, `contexts` all live
    contexts by id.
    """

    is_0_1_0 = False

    def __init__(
        self,
        host: Host,
        *,
        vm_id: str,
        configuration: bytes,
        environment: Mapping[str, str],
        policy: FailurePolicy,
    ) -> None:
        self.host = host
        self.vm_id = vm_id
        self.configuration = configuration
        self.environment = dict(environment)
        self.policy = policy
        self.failure: ModuleFailedError | None = None
        self.closed = False
        self.plugins: list[Plugin] = []
        self.contexts: dict[int, Context] = {}
        self.functions: dict[str, Callable[..., int | None]] = {}
        self.vm_context = Context(0, None)
        self.current: Context = self.vm_context
        self.effective_id = 0
        self.stop_iteration = False
        self.after_call: deque[Callable[[], None]] = deque()
        self.pending_done: dict[int, Callable[[], None]] = {}
        self.calls = Calls(self)
        self.metrics = MetricTable(host.metrics)
        self.host_calls = HostCalls(self)
        self._last_context_id = 0
        self._started = False

    def plugin(
        self,
        name: str = "",
        root_id: str = "",
        configuration: bytes | str = b"",
        *,
        allow_on_headers_stop_iteration: bool = False,
    ) -> Plugin:
        """Create and configure a plugin in this VM.

        Raises `StartFailed`, `ConfigureFailed` or `ModuleTrapped`; the VM is then of no further use.
        """
        self.check_open()
        data = configuration.encode() if isinstance(configuration, str) else bytes(configuration)
        plugin = Plugin(self, name, root_id, data, allow_on_headers_stop_iteration)
        self.plugins.append(plugin)
        # Envoy starts the VM anew for every plugin in it; the specification wants it once.
        start = self.host.quirks or not self._started
        self._started = True
        plugin.start(start_vm=start)
        self.host.settle()
        return plugin

    def next_context_id(self) -> int:
        """Return an id no context has had."""
        self._last_context_id += 1
        return self._last_context_id

    # Calls.

    def call(self, context: Context, callback: str, arguments: tuple[int, ...]) -> int:
        """Run a callback. On a failure, `failure` is set and 0 returned; `finish_call()` must follow."""
        saved = self.current, self.effective_id
        self.current = context
        self.effective_id = 0
        host = self.host
        host.depth += 1
        try:
            return self.functions[callback](*arguments) or 0
        except ModuleFailedError as error:
            self.fail(error)
            return 0
        except BaseException:
            # Of a test's own handler, say: what the callback had asked for is not to surface later.
            self.stop_iteration = False
            self.after_call.clear()
            raise
        finally:
            host.depth -= 1
            self.current, self.effective_id = saved

    def finish_call(self) -> None:
        """Do what the callback asked for and what had to wait for its end."""
        self.stop_iteration = False
        after = self.after_call
        while after:
            after.popleft()()

    def run(self, context: Context, callback: str, *arguments: int) -> int:
        """Run a callback, if the module has it, with everything that follows; returns its answer or 0."""
        if callback not in self.functions or self.failure is not None:
            return 0
        answer = self.call(context, callback, arguments)
        self.finish_call()
        failure = self.failed()
        if failure is not None and self.policy is FailurePolicy.RAISE:
            raise failure
        return answer

    def failed(self) -> ModuleFailedError | None:
        """Return `failure`, as it is now."""
        return self.failure

    def fail(self, error: ModuleFailedError) -> None:
        """Take the VM out of use."""
        if self.failure is None:
            self.failure = error
            self.host.log_line(self.current, LogLevel.CRITICAL, str(error).encode())
        self._stop_timers()
        self.calls.drop_all()
        self.after_call.clear()

    # Timers and queues.

    def set_tick_period(self, root: RootContext, milliseconds: int) -> None:
        """Start, change or stop (0) a plugin's timer."""
        if root.tick_timer is not None:
            root.tick_timer.cancel()
            root.tick_timer = None
        root.tick_period = milliseconds
        if milliseconds:
            root.tick_timer = self.host.clock.after(milliseconds * _MILLISECOND, lambda: self._tick(root))

    def _tick(self, root: RootContext) -> None:
        root.tick_timer = None
        if root.id not in self.contexts or self.failure is not None:
            return
        try:
            self.run(root, "proxy_on_tick", root.id)
            self.host.settle()
        finally:
            self._tick_again(root)

    def _tick_again(self, root: RootContext) -> None:
        """Wait for another period, unless the callback chose a new one."""
        if root.tick_timer is None and root.tick_period and self.failure is None:
            self.set_tick_period(root, root.tick_period)

    def _stop_timers(self) -> None:
        for plugin in self.plugins:
            timer = plugin.context.tick_timer
            if timer is not None:
                timer.cancel()

    def queue_reader(self, root: RootContext) -> Callable[[int], None]:
        """Return what tells the plugin that a queue has something."""

        def ready(queue_id: int) -> None:
            def tell() -> None:
                if root.id in self.contexts:
                    self.run(root, "proxy_on_queue_ready", root.id, queue_id)

            self.host.later(tell)

        return ready

    # The end.

    def check_open(self) -> None:
        """Raise where the VM was closed or has failed."""
        if self.closed:
            raise ClosedError(f"VM {self.vm_id!r} is closed")
        if self.failure is not None:
            raise self.failure

    def close(self) -> None:
        """End all streams and plugins. Closing twice is fine."""
        if self.closed:
            return
        for plugin in list(self.plugins):
            plugin.close()
        self._stop_timers()
        self.calls.drop_all()
        self.closed = True
        self.host.forget(self)
        self._release()

    def _release(self) -> None:
        """Free what the VM holds outside Python."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
