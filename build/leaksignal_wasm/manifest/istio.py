"""Istio's WasmPlugin resource (extensions.istio.io/v1alpha1).

Fields: istio.io/api, extensions/v1alpha1/wasm.proto and its CRD, as of Istio 1.28.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from leaksignal_wasm.envoy_config._typed import present
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_DIGEST = re.compile(r"@sha256:([0-9a-f]{64})$")
_SCHEMES = ("oci://", "file://", "https://", "http://")
_LONGEST_NAME = 253
_MOST_ENVIRONMENT = 256
_LONGEST_VALUE = 2048


class Phase(enum.StrEnum):
    """Where Istio puts the plugin: before its own filter of that kind."""

    UNSPECIFIED_PHASE = "UNSPECIFIED_PHASE"
    """At the end of the filter chain, before the router."""
    AUTHN = "AUTHN"
    AUTHZ = "AUTHZ"
    STATS = "STATS"


class FailStrategy(enum.StrEnum):
    """What happens after a fatal error: the plugin's streams are refused, let pass, or get a new VM."""

    FAIL_CLOSE = "FAIL_CLOSE"
    FAIL_OPEN = "FAIL_OPEN"
    FAIL_RELOAD = "FAIL_RELOAD"


class Traffic(enum.StrEnum):
    """The direction of the traffic that passes the plugin."""

    CLIENT = "CLIENT"
    SERVER = "SERVER"
    CLIENT_AND_SERVER = "CLIENT_AND_SERVER"


@dataclass(frozen=True, slots=True)
class WasmPluginOptions:
    """What may be said in a WasmPlugin, beside name and URL."""

    namespace: str | None = None
    sha256: str | None = None
    phase: Phase = Phase.UNSPECIFIED_PHASE
    priority: int | None = None
    fail_strategy: FailStrategy = FailStrategy.FAIL_RELOAD
    labels: Mapping[str, str] = field(default_factory=dict)
    """Selects workloads by label."""
    targets: Sequence[str] = ()
    """Attaches it to gateways, services, ... instead: KIND/NAME, such as Gateway/ingress."""
    traffic: Traffic | None = None
    ports: Sequence[int] = ()
    config: Mapping[str, Any] | None = None
    plugin_name: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    host_environment: Sequence[str] = ()
    """Names of the proxy's own environment variables to hand down."""
    pull_policy: str | None = None
    pull_secret: str | None = None
    network: bool = False
    """A network (TCP) plugin."""


_GROUPS = {
    "Gateway": "gateway.networking.k8s.io",
    "GatewayClass": "gateway.networking.k8s.io",
    "Service": "",
    "ServiceEntry": "networking.istio.io",
}


def wasm_plugin(name: str, url: str, options: WasmPluginOptions | None = None) -> dict[str, Any]:
    """Return the resource. Raises UserError for what Kubernetes or Istio would refuse."""
    options = options or WasmPluginOptions()
    _check(name, url, options)
    match = present(
        mode=options.traffic.value if options.traffic else None,
        ports=[{"number": port} for port in options.ports] or None,
    )
    variables = [{"name": key, "value": value} for key, value in options.environment.items()]
    variables += [{"name": key, "valueFrom": "HOST"} for key in options.host_environment]
    spec = present(
        selector={"matchLabels": dict(options.labels)} if options.labels else None,
        targetRefs=[_target(target) for target in options.targets] or None,
        url=url,
        sha256=options.sha256,
        imagePullPolicy=options.pull_policy,
        imagePullSecret=options.pull_secret,
        type="NETWORK" if options.network else "HTTP",
        phase=options.phase.value,
        priority=options.priority,
        failStrategy=options.fail_strategy.value,
        match=[match] if match else None,
        pluginName=options.plugin_name,
        pluginConfig=None if options.config is None else dict(options.config),
        vmConfig={"env": variables} if variables else None,
    )
    return {
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": present(name=name, namespace=options.namespace),
        "spec": spec,
    }


def _check(name: str, url: str, options: WasmPluginOptions) -> None:
    if len(name) > _LONGEST_NAME or not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} is not a name for a resource", where="--name", remedy="use a-z, 0-9, - and ."
        )
    if not url.startswith(_SCHEMES):
        raise UserError(
            f"{url!r} is not a URL that Istio fetches", where="--url", remedy=f"use {', '.join(_SCHEMES)}"
        )
    pinned = _DIGEST.search(url)
    if pinned and options.sha256 and pinned[1] != options.sha256:
        raise UserError(
            f"the URL names the digest {pinned[1]}, the module's image has {options.sha256}",
            where="--url",
            remedy="push this module and name its digest, or leave the digest out",
        )
    if options.labels and options.targets:
        raise UserError(
            "a WasmPlugin takes either labels or targets",
            where="--selector",
            remedy="leave one of the two out",
        )
    too_long = [key for key, value in options.environment.items() if len(value) > _LONGEST_VALUE]
    if too_long or len(options.environment) + len(options.host_environment) > _MOST_ENVIRONMENT:
        raise UserError(
            f"Istio takes {_MOST_ENVIRONMENT} variables of {_LONGEST_VALUE} characters at most",
            where="--env",
            remedy="put it into the plugin's configuration",
        )


def _target(text: str) -> dict[str, str]:
    kind, _, name = text.partition("/")
    if kind not in _GROUPS or not name:
        raise UserError(
            f"{text!r} is not a target",
            where="--target",
            remedy=f"KIND/NAME, where KIND is {', '.join(_GROUPS)}",
        )
    return {"group": _GROUPS[kind], "kind": kind, "name": name}
