"""What HTTP and TCP streams have in common."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from proxy_wasm_host._context import StreamContext
from proxy_wasm_host._limits import FailurePolicy
from proxy_wasm_host.errors import ClosedError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    from proxy_wasm_host._body import Body
    from proxy_wasm_host._headers import HeaderMap
    from proxy_wasm_host._host import Host
    from proxy_wasm_host._local_reply import LocalResponse
    from proxy_wasm_host._plugin import Plugin
    from proxy_wasm_host._properties import PropertyValue
    from proxy_wasm_host._vm import Vm
    from proxy_wasm_host.errors import ModuleFailedError

_connections = itertools.count(1)


class Stream:
    """One stream through one plugin.

    Attributes: `actions` lists `(callback, answer)` in order; `filter_state` holds what `set_property` wrote;
    `properties` are this stream's own property values by dotted path, before the defaults; `failure`
    is the trap that hit this stream, if any.
    """

    is_http = False

    def __init__(self, plugin: Plugin, properties: Mapping[str, PropertyValue] | None = None) -> None:
        self.plugin = plugin
        self.vm: Vm = plugin.vm
        self.host: Host = plugin.vm.host
        self.properties: dict[str, PropertyValue] = dict(properties or {})
        self.filter_state: dict[bytes, bytes] = {}
        self.connection_id = next(_connections)
        self.started_at: int = self.host.clock.realtime()
        self.actions: list[tuple[str, int]] = []
        self.failure: ModuleFailedError | None = None
        self.closed: bool = False
        self.route_cache_cleared = 0
        self.orphaned = False
        """Whether the instance that knew this stream has been replaced."""
        # Envoy leaves the filter out of new streams of a failed VM that fails open.
        self.bypassed = self.vm.failure is not None and self.vm.policy is FailurePolicy.FAIL_OPEN
        self.context = StreamContext(self.vm.next_context_id(), plugin, plugin.context, self)
        self.vm.contexts[self.context.id] = self.context

    @property
    def context_id(self) -> int:
        """Return the id the module knows this stream by."""
        return self.context.id

    def create(self) -> None:
        """Tell the module of the stream, once."""
        context = self.context
        if not context.created and not self.bypassed:
            context.created = True
            if self.vm.failure is None:
                root = self.plugin.context
                self.vm.run(context, "proxy_on_context_create", context.id, root.id)
                self.failure = self.vm.failure

    def ask(self, callback: str, *arguments: int) -> int | None:
        """Run a callback that answers with an action; None means the VM has failed, now or before."""
        vm = self.vm
        if self.bypassed:
            return 0
        if vm.failure is not None or self.orphaned:
            return self._refused()
        answer = 0
        if callback in vm.functions:
            raw = vm.call(self.context, callback, arguments)
            failure = vm.failed()
            if failure is not None:
                self.failure = failure
                vm.finish_call()
                return self._refused()
            self.actions.append((callback, raw))
            # A local response stops HTTP alone; a network filter's answer counts as it is.
            answer = -1 if vm.stop_iteration and self.is_http else raw
            vm.finish_call()
        return answer

    def _refused(self) -> int | None:
        vm = self.vm
        if vm.policy is FailurePolicy.RAISE and vm.failure is not None:
            raise vm.failure
        # Envoy lets new streams pass a failed VM, but ends those that were in it, whatever the policy's name.
        if vm.policy is FailurePolicy.FAIL_OPEN and not self.host.quirks:
            return 0
        self.fail()
        return None

    def fail(self) -> None:
        """End the stream because its VM failed."""
        raise NotImplementedError

    def continue_stream(self, side: int) -> None:
        """Resume side 0 (request, downstream) or 1."""
        raise NotImplementedError

    def reset_stream(self, reason: str) -> None:
        """End the stream without an answer."""
        raise NotImplementedError

    def reply_later(self, answer: LocalResponse) -> None:
        """Answer in place of the upstream once the callback has ended; only HTTP streams can."""
        raise NotImplementedError

    def buffer(self, side: int) -> Body | None:
        """Return the body within reach on side 0 (request, downstream) or 1."""
        return self.context.bodies[side]

    def add_trailers(self, side: int) -> HeaderMap | None:
        """Return new trailers for side 0 or 1 where the moment allows to add some."""
        del side
        return None

    def check_open(self) -> None:
        """Raise where the stream was closed."""
        if self.closed:
            raise ClosedError(f"stream {self.context.id} of plugin {self.plugin.name!r} is closed")

    def logged(self) -> list[HeaderMap | None]:
        """Return the maps that can be read while the stream is logged."""
        return [None, None, None, None]

    def close(self) -> None:
        """End the stream: the module logs it, finishes, and forgets it. Closing twice is fine."""
        if self.closed:
            return
        self.closed = True
        try:
            self._end()
        except BaseException:
            self._forget()
            raise
        self.host.settle()

    def _end(self) -> None:
        if not self.context.created or self.vm.failure is not None or self.orphaned:
            self._forget()
        elif self.host.quirks and self.is_http:
            self._log()
            self._run("proxy_on_done")
            self._delete()
        elif self._run("proxy_on_done") != 0 or self.host.quirks:
            self.finish()
        else:
            # proxy_done() will finish it.
            self.vm.pending_done[self.context.id] = self.finish

    def finish(self) -> None:
        """Log and delete: the second half of closing."""
        self._log()
        self._delete()

    def _run(self, callback: str) -> int:
        if callback not in self.vm.functions:
            return 1
        return self.vm.run(self.context, callback, self.context.id)

    def _log(self) -> None:
        # In Envoy a connection has no log phase of its own.
        if self.is_http or not self.host.quirks:
            self.context.log_maps = self.logged()
        try:
            self._run("proxy_on_log")
        finally:
            self.context.log_maps = None

    def _delete(self) -> None:
        try:
            self._run("proxy_on_delete")
        finally:
            self._forget()

    def _forget(self) -> None:
        self.vm.contexts.pop(self.context.id, None)
        self.plugin.streams.pop(self.context.id, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
