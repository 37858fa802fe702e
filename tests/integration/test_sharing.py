"""What VMs share in a real Envoy: data across workers, queues; and the log as they write it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy.testing import HttpUpstream, request
from leaksignal_wasm.envoy_config import (
    WasmPlugin,
    bootstrap,
    cluster,
    http_listener,
    http_wasm_filter,
    route,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def test_two_workers_count_together_and_draw_different_numbers(
    probe_plugin: Callable[..., WasmPlugin], upstream: HttpUpstream
) -> None:
    config = bootstrap(
        listeners=[
            http_listener("main", routes=[route("http")], filters=[http_wasm_filter(probe_plugin("closed"))])
        ],
        clusters=[cluster("http", "127.0.0.1", upstream.port)],
    )
    with EnvoyProcess(config, concurrency=2) as envoy, ThreadPoolExecutor(4) as pool:

        def send(_: int) -> int:
            return request(envoy, listener="main", headers={"x-probe": "count"}).status

        assert set(pool.map(send, range(60))) == {200}
    counted = sorted(int(received.headers["x-count"]) for received in upstream.requests)
    assert counted == list(range(1, 61))
    assert len({received.headers["x-worker"] for received in upstream.requests}) == 2


def test_what_is_put_in_a_queue_is_handed_to_the_plugin(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    since = len(envoy.log_lines())
    for job in ("one", "raise", "two"):
        assert request(envoy, listener="closed", headers={"x-probe": f"job:{job}"}).status == 200
        envoy.wait_for_log(f"did {job}$", since=since)
    envoy.wait_for_log("on_queue_ready raised", since=since)
    assert upstream.requests


def test_the_standard_logging_names_plugin_request_and_context(
    envoy: EnvoyProcess, upstream: HttpUpstream
) -> None:
    since = len(envoy.log_lines())
    request(envoy, listener="closed", headers={"x-probe": "logging"})
    line = envoy.wait_for_log("through logging", since=since)
    request_id = upstream.requests[-1].headers["x-request-id"]
    assert line.level == "warning"
    assert re.search(
        rf"\[plugin=probe-closed request={request_id} context=\d+\] orders: through logging$", line.message
    )
