"""A plugin: one configuration of a filter in a VM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from proxy_wasm_host._abi import LogLevel
from proxy_wasm_host._context import RootContext
from proxy_wasm_host._http import HttpStream
from proxy_wasm_host._limits import FailurePolicy
from proxy_wasm_host._tcp import TcpStream
from proxy_wasm_host.errors import ClosedError, ConfigureFailed, StartFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from proxy_wasm_host._properties import PropertyValue
    from proxy_wasm_host._stream import Stream
    from proxy_wasm_host._vm import Vm


class Plugin:
    """A configured plugin. Made by `Vm.plugin()`; `streams` are its open streams by context id."""

    def __init__(
        self, vm: Vm, name: str, root_id: str, configuration: bytes, allow_on_headers_stop_iteration: bool
    ) -> None:
        self.vm = vm
        self.name = name
        self.root_id = root_id
        self.configuration = configuration
        self.allow_on_headers_stop_iteration = allow_on_headers_stop_iteration
        self.context = RootContext(vm.next_context_id(), self)
        self.streams: dict[int, Stream] = {}
        self.closed = False
        vm.contexts[self.context.id] = self.context

    def start(self, *, start_vm: bool) -> None:
        """Create the context, start the VM (if it wants starting), configure."""
        vm, root = self.vm, self.context
        root.plugin_configuration = self.configuration if vm.host.quirks else None
        self._run("proxy_on_context_create", root.id, 0)
        root.created = True
        root.plugin_configuration = None
        if start_vm and not self._run("proxy_on_vm_start", root.id, len(vm.configuration)):
            self._give_up(StartFailed, "proxy_on_vm_start")
        root.plugin_configuration = self.configuration
        try:
            if not self._run("proxy_on_configure", root.id, len(self.configuration)):
                self._give_up(ConfigureFailed, "proxy_on_configure")
        finally:
            root.plugin_configuration = None

    def _run(self, callback: str, *arguments: int) -> int:
        vm = self.vm
        if callback not in vm.functions:
            return 1
        answer = vm.call(self.context, callback, arguments)
        vm.finish_call()
        if vm.failure is not None:
            raise vm.failure
        return answer

    def _give_up(self, kind: type[StartFailed | ConfigureFailed], callback: str) -> None:
        """Fail the VM, with what the plugin has to say about it."""
        said = [
            f"\n    {line}"
            for line in self.vm.host.logs
            if line.context_id == self.context.id and line.level >= LogLevel.WARN
        ]
        error = kind(f"{callback} answered false{''.join(said[-5:])}", where=self._where())
        self.vm.fail(error)
        raise error

    def _where(self) -> str:
        return f"plugin {self.name!r} (root_id {self.root_id!r}, vm_id {self.vm.vm_id!r})"

    def http_stream(
        self,
        properties: Mapping[str, PropertyValue] | None = None,
        *,
        buffer_limit: int | bool | None = True,
    ) -> HttpStream:
        """Open an HTTP stream.

        `properties` (dotted path to value) come before the default ones. `buffer_limit` is the bytes a
        paused body may have before Envoy answers 413 or 500: True is the host's, None is none.
        """
        self._ready()
        limit = self.vm.host.buffer_limit if buffer_limit is True else buffer_limit or None
        stream = HttpStream(self, properties, buffer_limit=limit)
        self.streams[stream.context.id] = stream
        return stream

    def tcp_stream(self, properties: Mapping[str, PropertyValue] | None = None) -> TcpStream:
        """Open a TCP connection; `properties` (dotted path to value) come before the default ones."""
        self._ready()
        stream = TcpStream(self, properties)
        self.streams[stream.context.id] = stream
        return stream

    def foreign_function(self, function_id: int, arguments: bytes = b"") -> None:
        """Call the module's `proxy_on_foreign_function`."""
        self._ready()
        root = self.context
        root.foreign_arguments = arguments
        try:
            self.vm.run(root, "proxy_on_foreign_function", root.id, function_id, len(arguments))
        finally:
            root.foreign_arguments = None
        self.vm.host.settle()

    def _ready(self) -> None:
        if self.closed:
            raise ClosedError(f"{self._where()} is closed")
        vm = self.vm
        if vm.failure is not None:
            if vm.policy is FailurePolicy.FAIL_RELOAD:
                vm.host.reload(vm)
            elif vm.policy is FailurePolicy.RAISE:
                raise vm.failure

    def close(self) -> None:
        """Close all streams, then the plugin itself; if it answers "not yet", once it calls `proxy_done`."""
        if self.closed:
            return
        for stream in list(self.streams.values()):
            stream.close()
        self.closed = True
        vm, root = self.vm, self.context
        if vm.failure is not None:
            self._delete()
        elif "proxy_on_done" not in vm.functions or vm.run(root, "proxy_on_done", root.id):
            self._finish()
        else:
            vm.pending_done[root.id] = self._finish
        vm.host.settle()

    def _finish(self) -> None:
        if not self.vm.host.quirks:
            self.vm.run(self.context, "proxy_on_log", self.context.id)
        self._delete()

    def _delete(self) -> None:
        vm, root = self.vm, self.context
        try:
            vm.run(root, "proxy_on_delete", root.id)
        finally:
            vm.set_tick_period(root, 0)
            vm.calls.drop_of(root)
            vm.contexts.pop(root.id, None)
            if self in vm.plugins:
                vm.plugins.remove(self)
