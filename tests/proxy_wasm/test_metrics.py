from __future__ import annotations

import pytest
from tests.proxy_wasm.scripted import http_vm, inside

from proxy_wasm import Counter, Gauge, Histogram, HttpContext

REQUESTS = Counter("requests")


def test_a_metric_made_at_import_is_defined_once_in_each_vm() -> None:
    first, second = http_vm(HttpContext), http_vm(HttpContext)
    with inside(second):
        Gauge("other").define()
    for vm, metric in ((first, 1), (second, 2), (first, 1), (second, 2)):
        with inside(vm):
            REQUESTS.increment()
        assert vm.host.defined[metric - 1] == (0, b"requests")
    assert first.host.metrics == {1: 2}
    assert second.host.metrics == {1: 0, 2: 2}


def test_counter() -> None:
    vm = http_vm(HttpContext)
    counter = Counter("c")
    with inside(vm):
        counter.increment(5)
        counter.increment(0)
        assert counter.value == 5
        with pytest.raises(ValueError, match="only goes up"):
            counter.increment(-1)
    assert repr(counter) == "Counter('c')"


def test_gauge_and_histogram() -> None:
    vm = http_vm(HttpContext)
    gauge, histogram = Gauge("g"), Histogram("h")
    with inside(vm):
        gauge.record(10)
        gauge.increment()
        gauge.decrement(3)
        gauge.increment(-2)
        assert gauge.value == 6
        histogram.record(17)
    assert vm.host.defined == [(1, b"g"), (2, b"h")]
    assert vm.host.metrics == {1: 6, 2: 17}
