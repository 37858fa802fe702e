"""Metrics as Envoy keeps them: one value a name, ids a VM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from proxy_wasm_host._abi import MetricType, Status
from proxy_wasm_host.errors import HostCallFailed

_U64 = (1 << 64) - 1
_TYPE_BITS = 2
_TYPE_MASK = (1 << _TYPE_BITS) - 1


@dataclass
class Metric:
    """One metric: `value` of a counter or gauge, `samples` of a histogram in order."""

    name: str
    type: MetricType
    value: int = 0
    samples: list[int] = field(default_factory=list)


class Metrics(Mapping[str, int | list[int]]):
    """Everything the filters of a host have measured, by name.

    Counters and gauges read as `int`, histograms as the list of their samples. A counter and a gauge of the
    same name are two metrics in Envoy too; `metric(name, type)` tells them apart.
    """

    def __init__(self) -> None:
        self._metrics: dict[tuple[str, MetricType], Metric] = {}

    def obtain(self, name: str, kind: MetricType) -> Metric:
        """Return the metric, creating it."""
        metric = self._metrics.get((name, kind))
        if metric is None:
            metric = self._metrics[name, kind] = Metric(name, kind)
        return metric

    def metric(self, name: str, kind: MetricType | None = None) -> Metric:
        """Return a metric by name and, where the name alone doesn't decide, type."""
        for (other, other_kind), metric in self._metrics.items():
            if other == name and kind in (None, other_kind):
                return metric
        raise KeyError(name)

    def __getitem__(self, name: str) -> int | list[int]:
        metric = self.metric(name)
        return list(metric.samples) if metric.type is MetricType.HISTOGRAM else metric.value

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name for name, _kind in self._metrics))

    def __len__(self) -> int:
        return len({name for name, _kind in self._metrics})

    def values_only(self) -> dict[str, int]:
        """Return counters, gauges and the number of samples of histograms, for comparing two moments."""
        return {
            name: len(metric.samples) if kind is MetricType.HISTOGRAM else metric.value
            for (name, kind), metric in self._metrics.items()
        }


class MetricTable:
    """The metric ids of one VM. The two lowest bits of an id are its type, as in Envoy."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._ids: dict[int, Metric] = {}
        self._next = {int(kind): int(kind) for kind in MetricType}

    def define(self, kind: int, name: str) -> int:
        """Return a new id for the metric `name`; defining it again gives another id for the same metric."""
        if kind not in self._next:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        self._next[kind] += 1 << _TYPE_BITS
        metric_id = self._next[kind]
        self._ids[metric_id] = self._metrics.obtain(name, MetricType(kind))
        return metric_id

    def record(self, metric_id: int, value: int) -> None:
        """Set a gauge, add to a counter, or put a sample into a histogram."""
        metric = self._find(metric_id)
        if metric.type is MetricType.GAUGE:
            metric.value = value
        elif metric.type is MetricType.COUNTER:
            metric.value = (metric.value + value) & _U64
        else:
            metric.samples.append(value)

    def increment(self, metric_id: int, delta: int) -> None:
        """Move a counter (upwards only) or a gauge."""
        if metric_id & _TYPE_MASK not in (MetricType.COUNTER, MetricType.GAUGE):
            raise HostCallFailed(Status.BAD_ARGUMENT)
        metric = self._find(metric_id)
        if metric.type is MetricType.COUNTER and delta <= 0:
            raise HostCallFailed(Status.BAD_ARGUMENT)
        metric.value = (metric.value + delta) & _U64

    def get(self, metric_id: int) -> int:
        """Return the value of a counter or gauge."""
        if metric_id & _TYPE_MASK not in (MetricType.COUNTER, MetricType.GAUGE):
            raise HostCallFailed(Status.BAD_ARGUMENT)
        return self._find(metric_id).value

    def _find(self, metric_id: int) -> Metric:
        metric = self._ids.get(metric_id)
        if metric is None:
            raise HostCallFailed(Status.NOT_FOUND)
        return metric
