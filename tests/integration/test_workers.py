"""Workers have a VM each: memory, shared data and configuration across them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy.testing import HttpUpstream, request
from leaksignal_wasm.envoy_config import (
    Config,
    FailurePolicy,
    WasmPlugin,
    bootstrap,
    cluster,
    http_listener,
    http_wasm_filter,
    route,
)
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    ProbePlugin = Callable[..., WasmPlugin]


def listener(name: str, plugin: WasmPlugin) -> Config:
    return http_listener(name, routes=[route("http")], filters=[http_wasm_filter(plugin)])


def test_two_workers_serve_and_a_new_configuration_takes_over(
    probe_plugin: ProbePlugin, upstream: HttpUpstream
) -> None:
    config = bootstrap(
        listeners=[listener("main", probe_plugin("closed", generation="1", tick=0.1))],
        clusters=[cluster("http", "127.0.0.1", upstream.port)],
    )
    with EnvoyProcess(config, concurrency=2, reloadable=True) as envoy:
        for _ in range(20):
            assert request(envoy, listener="main").status == 200
        assert {received.headers["x-generation"] for received in upstream.requests} == {"1"}
        envoy.wait_for_log("tick")

        envoy.reload([listener("main", probe_plugin("closed", generation="2"))])
        upstream.reset()
        for _ in range(20):
            assert request(envoy, listener="main").status == 200
        assert {received.headers["x-generation"] for received in upstream.requests} == {"2"}

        with pytest.raises(UserError, match="rejected"):
            envoy.reload([listener("main", probe_plugin("closed", refuse=True))])
        upstream.reset()
        assert request(envoy, listener="main").status == 200
        assert upstream.requests[-1].headers["x-generation"] == "2"


def test_a_trap_ends_as_the_failure_policy_says(probe_module: Path, upstream: HttpUpstream) -> None:
    def plugin(policy: FailurePolicy) -> WasmPlugin:
        return WasmPlugin(
            probe_module,
            name="probe",
            vm_id=policy.value,
            failure_policy=policy,
            reload_backoff=(0.01, 0.02) if policy is FailurePolicy.FAIL_RELOAD else None,
        )

    config = bootstrap(
        listeners=[listener(policy.value, plugin(policy)) for policy in FailurePolicy],
        clusters=[cluster("http", "127.0.0.1", upstream.port)],
    )
    with EnvoyProcess(config) as envoy:
        for policy in FailurePolicy:
            assert request(envoy, listener=policy.value).headers["x-python"] == "yes"
            request(envoy, listener=policy.value, headers={"x-probe": "trap"})

        after = request(envoy, listener=FailurePolicy.FAIL_OPEN.value)
        assert (after.status, after.headers["x-python"]) == (200, None)
        assert request(envoy, listener=FailurePolicy.FAIL_CLOSED.value).status == 503
        for _ in range(100):
            reply = request(envoy, listener=FailurePolicy.FAIL_RELOAD.value)
            if reply.status == 200 and reply.headers["x-python"]:
                break
        assert (reply.status, reply.headers["x-python"]) == (200, "yes")


def test_memory_that_runs_out_fails_one_stream(probe_module: Path, envoy: EnvoyProcess) -> None:
    assert probe_module.exists()
    assert request(envoy, listener="closed", headers={"x-probe": "exhaust"}).status == 500
    for _ in range(20):
        assert request(envoy, "POST", listener="closed", body=b"x" * 100_000).status == 200
