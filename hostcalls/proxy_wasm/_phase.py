"""Where the VM is: which callback of which context runs, and to which context host calls apply.

One mutable object, so that the dispatcher can note a callback with three attribute stores and every other
module can ask. Host calls take no stream as an argument: they apply to the *effective* context, which at the
start of a callback is the callback's own (v0.2.1, ``proxy_set_effective_context``).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from proxy_wasm._contexts import Context, PluginContext


class Phase:
    """The running callback. There is one, :data:`phase`; a host runs one callback at a time."""

    __slots__ = ("callback", "context", "creating", "effective", "vm")

    callback: str | None
    """Name of the running callback (``on_request_headers``), ``None`` between callbacks."""
    context: Context | None
    """The context whose callback runs."""
    effective: Context | None
    """The context that host calls apply to."""
    creating: tuple[int, PluginContext | None] | None
    """Id and plugin of the context that is being made, for ``Context.__new__``."""
    vm: object
    """Stands for the VM: metric and queue ids are valid in the VM that gave them out, nowhere else."""

    def __init__(self) -> None:
        self.callback = None
        self.context = None
        self.effective = None
        self.creating = None
        self.vm = None

    def describe(self) -> str:
        """``on_request_headers of HttpContext 7``, or that there is no callback."""
        if self.callback is None:
            return "no callback running"
        if self.context is None:
            return self.callback
        return f"{self.callback} of {self.context!r}"


phase = Phase()
