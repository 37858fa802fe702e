"""Shared data, shared queues and metrics: what plugins and VMs have in common."""

from __future__ import annotations

from tests.proxy_wasm_host.probe import GET, MEMORY, Guest, Probe

from proxy_wasm_host import Host, MetricType

NOT_FOUND, BAD_ARGUMENT, INVALID_MEMORY, EMPTY, CAS_MISMATCH = 1, 2, 6, 7, 8


def read(guest: Guest, key: bytes) -> tuple[int, bytes, int]:
    address, size, cas = guest.out(), guest.out(), guest.out()
    status = guest.call("proxy_get_shared_data", *guest.put(key), address, size, cas)
    if status:
        return status, b"", 0
    return status, guest.memory.read(guest.u32(address), guest.u32(size)), guest.u32(cas)


def write(guest: Guest, key: bytes, value: bytes, cas: int = 0) -> int:
    return guest.call("proxy_set_shared_data", *guest.put(key), *guest.put(value), cas)


def test_compare_and_swap() -> None:
    def configure(guest: Guest, *_: int) -> None:
        assert read(guest, b"k")[0] == NOT_FOUND
        assert write(guest, b"k", b"1", 77) == 0  # nothing there to compare with
        status, value, cas = read(guest, b"k")
        assert (status, value) == (0, b"1")
        assert cas != 0
        assert write(guest, b"k", b"2", cas + 1) == CAS_MISMATCH
        assert write(guest, b"k", b"2", cas) == 0
        assert write(guest, b"k", b"3", cas) == CAS_MISMATCH
        assert write(guest, b"k", b"", 0) == 0
        assert read(guest, b"k")[:2] == (0, b"")
        assert guest.call("proxy_set_shared_data", MEMORY, 1, 0, 0, 0) == INVALID_MEMORY
        assert guest.call("proxy_get_shared_data", *guest.put(b"k"), 0, 0, MEMORY) == INVALID_MEMORY

    Probe(configure=configure).plugin()


def test_data_is_shared_by_vm_id_alone() -> None:
    host = Host()
    seen: dict[str, int] = {}
    first = Probe(host=host, vm_id="a", configure=lambda guest, *_: write(guest, b"k", b"v") + 1)
    first.plugin()
    for vm_id in ("a", "b"):

        def look(guest: Guest, *_: int, vm_id: str = vm_id) -> None:
            seen[vm_id] = read(guest, b"k")[0]

        Probe(host=host, vm_id=vm_id, configure=look).plugin()
    assert seen == {"a": 0, "b": NOT_FOUND}


def test_data_goes_with_the_last_vm_of_its_id() -> None:
    host = Host()
    first = Probe(host=host, vm_id="a", configure=lambda guest, *_: write(guest, b"k", b"v") + 1)
    first.plugin()
    second = Probe(host=host, vm_id="a")
    first.vm.close()
    assert host.shared_data.keys("a") == [b"k"]
    second.vm.close()
    assert host.shared_data.keys("a") == []


def queue(guest: Guest, name: bytes) -> int:
    return guest.number("proxy_register_shared_queue", *guest.put(name))[1]


def test_queues_keep_order_and_tell_who_registered() -> None:
    taken: list[tuple[int, bytes]] = []

    def ready(guest: Guest, _root: int, queue_id: int) -> None:
        taken.append(guest.given("proxy_dequeue_shared_queue", queue_id))

    def configure(guest: Guest, *_: int) -> None:
        one = queue(guest, b"q")
        assert one == queue(guest, b"q")
        for value in (b"1", b"", b"3"):
            assert guest.call("proxy_enqueue_shared_queue", one, *guest.put(value)) == 0

    probe = Probe(configure=configure, queue_ready=ready)
    plugin = probe.plugin()
    assert taken == [(0, b"1"), (0, b""), (0, b"3")]
    assert probe.names().count("queue_ready") == 3
    assert probe.seen[-1][1] == plugin.context.id


def test_queues_are_found_across_vms_by_vm_id_and_name() -> None:
    host = Host()
    taken: list[bytes] = []
    reader = Probe(
        host=host,
        vm_id="reader",
        configure=lambda guest, *_: queue(guest, b"q") and 1,
        queue_ready=lambda guest, _root, queue_id: taken.append(
            guest.given("proxy_dequeue_shared_queue", queue_id)[1]
        ),
    )
    reader.plugin()

    def send(guest: Guest, *_: int) -> None:
        status, found = guest.number("proxy_resolve_shared_queue", *guest.put(b"reader"), *guest.put(b"q"))
        assert status == 0
        assert guest.call("proxy_enqueue_shared_queue", found, *guest.put(b"hello")) == 0
        assert taken == []  # not before this callback has ended
        missing = guest.number("proxy_resolve_shared_queue", *guest.put(b""), *guest.put(b"q"))
        assert missing[0] == NOT_FOUND

    writer = Probe(host=host, vm_id="writer", request_headers=send)
    writer.plugin().http_stream().request(GET)
    assert taken == [b"hello"]


def test_an_empty_vm_id_means_ones_own_in_envoy() -> None:
    seen: list[int] = []

    def configure(guest: Guest, *_: int) -> None:
        queue(guest, b"q")
        seen.append(guest.number("proxy_resolve_shared_queue", *guest.put(b""), *guest.put(b"q"))[0])

    Probe(vm_id="v", configure=configure).plugin()
    Probe(vm_id="v", configure=configure, quirks=False).plugin()
    assert seen == [0, NOT_FOUND]


def test_queue_errors() -> None:
    def configure(guest: Guest, *_: int) -> None:
        known = queue(guest, b"q")
        out = guest.out()
        assert guest.given("proxy_dequeue_shared_queue", known)[0] == EMPTY
        assert guest.given("proxy_dequeue_shared_queue", 99)[0] == NOT_FOUND
        assert guest.call("proxy_enqueue_shared_queue", 99, 0, 0) == NOT_FOUND
        assert guest.call("proxy_enqueue_shared_queue", known, MEMORY, 1) == INVALID_MEMORY
        assert guest.call("proxy_register_shared_queue", MEMORY, 1, out) == INVALID_MEMORY
        assert guest.call("proxy_register_shared_queue", 0, 0, MEMORY) == INVALID_MEMORY
        assert guest.call("proxy_resolve_shared_queue", 0, 0, MEMORY, 1, out) == INVALID_MEMORY

    Probe(configure=configure).plugin()


def define(guest: Guest, kind: int, name: bytes) -> tuple[int, int]:
    return guest.number("proxy_define_metric", kind, *guest.put(name))


def value(guest: Guest, metric: int) -> tuple[int, int]:
    out = guest.out()
    status = guest.call("proxy_get_metric", metric, out)
    return status, guest.u64(out) if status == 0 else 0


def test_metrics_of_each_type() -> None:
    def configure(guest: Guest, *_: int) -> None:
        counter, gauge, histogram = (define(guest, kind, f"m{kind}".encode())[1] for kind in MetricType)
        assert (counter, gauge, histogram) == (4, 5, 6)
        assert guest.call("proxy_increment_metric", counter, 3) == 0
        assert guest.call("proxy_record_metric", counter, 2) == 0
        assert value(guest, counter) == (0, 5)
        assert guest.call("proxy_increment_metric", counter, (1 << 64) - 1) == BAD_ARGUMENT
        assert guest.call("proxy_increment_metric", counter, 0) == BAD_ARGUMENT
        assert guest.call("proxy_record_metric", gauge, 10) == 0
        assert guest.call("proxy_increment_metric", gauge, (1 << 64) - 4) == 0
        assert value(guest, gauge) == (0, 6)
        assert guest.call("proxy_record_metric", histogram, 7) == 0
        assert guest.call("proxy_increment_metric", histogram, 1) == BAD_ARGUMENT
        assert value(guest, histogram)[0] == BAD_ARGUMENT

    probe = Probe(configure=configure)
    probe.plugin()
    assert dict(probe.host.metrics) == {"m0": 5, "m1": 6, "m2": [7]}
    assert probe.host.metrics.metric("m1").type is MetricType.GAUGE
    assert probe.host.metrics.values_only() == {"m0": 5, "m1": 6, "m2": 1}


def test_metric_errors() -> None:
    def configure(guest: Guest, *_: int) -> None:
        assert define(guest, 3, b"m")[0] == BAD_ARGUMENT
        for metric, missing in ((44, NOT_FOUND), (45, NOT_FOUND), (46, BAD_ARGUMENT), (47, BAD_ARGUMENT)):
            assert guest.call("proxy_increment_metric", metric, 1) == missing
            assert value(guest, metric)[0] == missing
            assert guest.call("proxy_record_metric", metric, 1) == NOT_FOUND
        assert guest.call("proxy_define_metric", 0, MEMORY, 1, 0) == INVALID_MEMORY
        counter = define(guest, 0, b"m")[1]
        assert guest.call("proxy_get_metric", counter, MEMORY - 7) == INVALID_MEMORY

    Probe(configure=configure).plugin()


def test_one_name_is_one_metric_however_often_and_wherever_defined() -> None:
    host = Host()

    def configure(guest: Guest, *_: int) -> None:
        for _again in range(2):
            guest.call("proxy_increment_metric", define(guest, 0, b"shared")[1], 1)

    Probe(host=host, vm_id="a", configure=configure).plugin()
    Probe(host=host, vm_id="b", configure=configure).plugin()
    assert dict(host.metrics) == {"shared": 4}
    assert len(host.metrics) == 1
