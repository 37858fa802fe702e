"""Proxy-Wasm plugins in Envoy's configuration.

Field names: envoy/extensions/wasm/v3/wasm.proto as of Envoy 1.40.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from leaksignal_wasm.envoy_config._typed import Config, Payload, named, payload, present, seconds, typed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_LEAST_BACKOFF = 0.002  # seconds


class FailurePolicy(enum.StrEnum):
    """What Envoy does with streams once the plugin's VM has failed (a trap, an abort, out of memory)."""

    FAIL_RELOAD = "FAIL_RELOAD"
    """After a trap a new VM for the next stream, with a back-off; until then, and otherwise, fail closed."""
    FAIL_CLOSED = "FAIL_CLOSED"
    """HTTP 503, or a closed connection, from now on."""
    FAIL_OPEN = "FAIL_OPEN"
    """As though the plugin were not there, from now on."""


@dataclass(frozen=True, slots=True)
class RemoteModule:
    """A module that Envoy itself fetches by HTTP through one of its clusters, and checks."""

    uri: str
    sha256: str
    cluster: str
    timeout: float = 60.0
    """Seconds."""


@dataclass(frozen=True, slots=True)
class WasmPlugin:
    """One plugin: the module, its VM, its configuration, and what happens when it fails.

    Plugins with the same module and `vm_id` share a VM (one a worker thread), and with it shared data and
    queues.
    """

    module: Path | RemoteModule
    name: str = "filter"
    root_id: str = ""
    vm_id: str = ""
    configuration: Payload | None = None
    vm_configuration: Payload | None = None
    failure_policy: FailurePolicy = FailurePolicy.FAIL_RELOAD
    reload_backoff: tuple[float, float] | None = None
    """FAIL_RELOAD only: seconds between two new VMs, at first and at most; Envoy's default is 1 and 10.

    At least 2 ms: Envoy 1.40 divides by half of the first in whole milliseconds, and dies of a 0."""
    environment: Mapping[str, str] = field(default_factory=dict)
    host_environment: Sequence[str] = ()
    """Names of Envoy's own environment variables to hand down."""
    stop_iteration_on_headers: bool | None = None
    """`allow_on_headers_stop_iteration`: True lets a headers callback hold back the headers alone, while body
    callbacks go on; None leaves Envoy's default (the body waits too)."""

    def __post_init__(self) -> None:
        if (
            self.reload_backoff is not None
            and not _LEAST_BACKOFF <= self.reload_backoff[0] <= self.reload_backoff[1]
        ):
            raise ValueError(
                f"reload_backoff {self.reload_backoff} is not (first, most) with 0.002 <= first <= most"
            )

    def config(self) -> Config:
        """Return the `PluginConfig` message."""
        reload_config = None
        if self.reload_backoff is not None and self.failure_policy is FailurePolicy.FAIL_RELOAD:
            base, most = self.reload_backoff
            reload_config = {"backoff": {"base_interval": seconds(base), "max_interval": seconds(most)}}
        return present(
            name=self.name,
            root_id=self.root_id or None,
            vm_config=present(
                vm_id=self.vm_id or None,
                runtime="envoy.wasm.runtime.v8",
                code=self._code(),
                configuration=None if self.vm_configuration is None else payload(self.vm_configuration),
                environment_variables=self._environment() or None,
            ),
            configuration=None if self.configuration is None else payload(self.configuration),
            failure_policy=self.failure_policy.value,
            reload_config=reload_config,
            allow_on_headers_stop_iteration=self.stop_iteration_on_headers,
        )

    def _code(self) -> Config:
        if isinstance(self.module, RemoteModule):
            uri = {
                "uri": self.module.uri,
                "cluster": self.module.cluster,
                "timeout": seconds(self.module.timeout),
            }
            return {"remote": {"http_uri": uri, "sha256": self.module.sha256}}
        return {"local": {"filename": str(self.module)}}

    def _environment(self) -> Config:
        return present(
            host_env_keys=list(self.host_environment) or None,
            key_values=dict(self.environment) or None,
        )


def http_wasm_filter(plugin: WasmPlugin) -> Config:
    """Return the HTTP filter that runs `plugin`."""
    return named(
        "envoy.filters.http.wasm", "envoy.extensions.filters.http.wasm.v3.Wasm", config=plugin.config()
    )


def network_wasm_filter(plugin: WasmPlugin) -> Config:
    """Return the network (TCP) filter that runs `plugin`."""
    return named(
        "envoy.filters.network.wasm", "envoy.extensions.filters.network.wasm.v3.Wasm", config=plugin.config()
    )


def wasm_access_log(plugin: WasmPlugin) -> Config:
    """Return an access logger that calls the plugin's `proxy_on_log`."""
    return named(
        "envoy.access_loggers.wasm",
        "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog",
        config=plugin.config(),
    )


def wasm_service(plugin: WasmPlugin, *, singleton: bool = True) -> Config:
    """Return a bootstrap extension: a plugin that serves no stream, with one VM in all or one a worker."""
    return named(
        "envoy.bootstrap.wasm",
        "envoy.extensions.wasm.v3.WasmService",
        config=plugin.config(),
        singleton=singleton,
    )


def wasm_stats_sink(plugin: WasmPlugin) -> Config:
    """Return a stats sink that hands Envoy's metrics to the plugin."""
    return {
        "name": "envoy.stat_sinks.wasm",
        "typed_config": typed("envoy.extensions.stat_sinks.wasm.v3.Wasm", config=plugin.config()),
    }
