"""A VM that runs a Python filter class in this interpreter, under the same rules as one in wasm.

A failing callback can't trap here: what a filter raises is the SDK's business, as it is in the wasm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from proxy_wasm._dispatch import Dispatcher
from proxy_wasm._unbound import HostStatus, bind
from proxy_wasm_host._abi import CALLBACKS
from proxy_wasm_host._vm import Vm
from proxy_wasm_host.errors import HostCallFailed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from proxy_wasm_host._context import Context
    from proxy_wasm_host._host import Host
    from proxy_wasm_host._hostcalls import HostCalls
    from proxy_wasm_host._limits import FailurePolicy

_U32 = 0xFFFF_FFFF


class _Bound:
    """The host calls of one VM as the SDK wants them: statuses are its own exception."""

    def __init__(self, calls: HostCalls) -> None:
        self._calls = calls

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._calls, name)

        def call(*arguments: Any) -> Any:
            try:
                return method(*arguments)
            except HostCallFailed as failed:
                raise HostStatus(int(failed.status)) from None

        # Found directly from now on.
        setattr(self, name, call)
        return call


class NativeVm(Vm):
    """One instance of a filter class in this interpreter. Made by `Host.native_vm()`."""

    def __init__(
        self,
        host: Host,
        plugin_class: type[Any],
        *,
        vm_id: str,
        configuration: bytes,
        environment: Mapping[str, str],
        policy: FailurePolicy,
    ) -> None:
        super().__init__(
            host, vm_id=vm_id, configuration=configuration, environment=environment, policy=policy
        )
        self.plugin_class = plugin_class
        self._bound: Any = _Bound(self.host_calls)
        with bind(self._bound):
            self.dispatcher = Dispatcher(plugin_class)
            self.functions = {
                name: function for name, function in self.dispatcher.callbacks.items() if name in CALLBACKS
            }

    def call(self, context: Context, callback: str, arguments: tuple[int, ...]) -> int:
        """Run a callback with this VM's host calls bound."""
        if callback in _WITH_END:
            arguments = (*arguments[:-1], bool(arguments[-1]))
        with bind(self._bound):
            return super().call(context, callback, arguments) & _U32


_WITH_END = frozenset(
    f"proxy_on_{name}" for name in ("request_headers", "request_body", "response_headers", "response_body")
) | {"proxy_on_downstream_data", "proxy_on_upstream_data"}
