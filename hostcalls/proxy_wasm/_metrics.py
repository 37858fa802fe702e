"""Metrics as objects (v0.2.1, "Metrics").

Make them where you like, at import too: a metric is defined in the host when it is first used, once a VM.
Envoy shows them as ``wasmcustom.`` and the name. Never put a client's words into a name: each name is kept
for good.
"""

from __future__ import annotations

from proxy_wasm._abi import host
from proxy_wasm._phase import phase
from proxy_wasm._types import MetricType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import ClassVar


def metric_id(kind: int, name: str) -> int:
    """The id of a metric in this VM, defined if it is not yet."""
    context = phase.context
    dispatcher = None if context is None else context.plugin._dispatcher
    if dispatcher is None:
        return host.define_metric(kind, name.encode())
    known = dispatcher.metric_ids.get((kind, name))
    if known is None:
        known = dispatcher.metric_ids[kind, name] = host.define_metric(kind, name.encode())
    return known


class _Metric:
    __slots__ = ("_id", "_vm", "name")

    _type: ClassVar[int]

    def __init__(self, name: str) -> None:
        self.name = name
        self._id = -1
        self._vm: object = None

    def define(self) -> int:
        """Define the metric in the host now, so that it shows before its first use; gives its id."""
        if self._id < 0 or self._vm is not phase.vm:
            self._id = metric_id(self._type, self.name)
            self._vm = phase.vm
        return self._id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class Counter(_Metric):
    """A number that only goes up."""

    __slots__ = ()
    _type = int(MetricType.COUNTER)

    def increment(self, by: int = 1) -> None:
        """Count ``by`` more, at least 0."""
        if by > 0:
            host.increment_metric(self._id if self._vm is phase.vm and self._id >= 0 else self.define(), by)
        elif by < 0:
            raise ValueError(f"{self!r}.increment({by}): a counter only goes up; a Gauge goes down too")

    @property
    def value(self) -> int:
        """The count now, of all VMs together."""
        return host.get_metric(self.define())


class Gauge(_Metric):
    """A number that goes up and down."""

    __slots__ = ()
    _type = int(MetricType.GAUGE)

    def record(self, value: int) -> None:
        """Set it to ``value``, at least 0."""
        host.record_metric(self.define(), value)

    def increment(self, by: int = 1) -> None:
        """Add ``by``, which may be negative."""
        host.increment_metric(self.define(), by)

    def decrement(self, by: int = 1) -> None:
        """Take ``by`` off."""
        host.increment_metric(self.define(), -by)

    @property
    def value(self) -> int:
        """The value now."""
        return host.get_metric(self.define())


class Histogram(_Metric):
    """A distribution of values; it cannot be read back."""

    __slots__ = ()
    _type = int(MetricType.HISTOGRAM)

    def record(self, value: int) -> None:
        """Add one value, at least 0."""
        host.record_metric(self.define(), value)
