"""`leaksignal-wasm manifest envoy|istio`: configuration for a module."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click

from leaksignal_wasm.cli import _envoy
from leaksignal_wasm.envoy import validate
from leaksignal_wasm.envoy_config import FailurePolicy, RemoteModule, Upstream, WasmPlugin, cluster
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.manifest import (
    FailStrategy,
    Phase,
    Traffic,
    WasmPluginOptions,
    envoy_bootstrap,
    envoy_filter,
    module_facts,
    to_yaml,
    wasm_plugin,
)

_MIB = 1 << 20

_module_argument = click.argument("module", metavar="MODULE.wasm", type=click.Path(path_type=Path))
_name_option = click.option("--name", help="The plugin's name.  [default: the module's]")

_ENVOY_EPILOG = """\b
Examples:
  leaksignal-wasm manifest envoy filter.wasm --path /etc/envoy/filter.wasm > filter.yaml
  leaksignal-wasm manifest envoy filter.wasm --upstream 127.0.0.1:8080 --max-heap 512 > envoy.yaml
"""

_ISTIO_EPILOG = """\b
Examples:
  leaksignal-wasm manifest istio filter.wasm --url oci://ghcr.io/me/filter:1.0 | kubectl apply -f -
  leaksignal-wasm manifest istio filter.wasm --url oci://ghcr.io/me/filter:1.0 --namespace istio-ingress \\
      --selector istio=ingressgateway --phase authn --config @config.json
"""


@click.group("manifest")
def command() -> None:
    """Write Envoy or Istio configuration for a module."""


@command.command("envoy", epilog=_ENVOY_EPILOG)
@_module_argument
@_name_option
@click.option(
    "--path", metavar="PATH", help="Where the module will be on Envoy's machine.  [default: as given]"
)
@click.option(
    "--url", metavar="URL", help="Let Envoy fetch the module by HTTP instead, and check its sha256."
)
@click.option(
    "--url-cluster", default="modules", show_default=True, help="With --url: the cluster to fetch through."
)
@click.option("--root-id", default="", help="The plugin's root id, if the module holds several plugins.")
@click.option("--vm-id", default="", help="Plugins of one module share a VM if their VM ids are equal.")
@_envoy.config_option
@_envoy.environment_option
@_envoy.failure_policy_option
@click.option(
    "--reload-backoff",
    type=(float, float),
    default=(1.0, 10.0),
    show_default=True,
    metavar="FIRST MOST",
    help="Seconds between two new VMs after traps, at first and at most.",
)
@click.option("--tcp", is_flag=True, help="A network filter instead of an HTTP filter.")
@click.option("--upstream", metavar="HOST:PORT|URL", help="Write a whole configuration, with this upstream.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=10000, show_default=True, help="With --upstream."
)
@click.option(
    "--max-heap",
    type=click.IntRange(1),
    metavar="MIB",
    help="With --upstream: the heap, that of all VMs included, near which Envoy sheds load.",
)
@click.option("--check", is_flag=True, help="Let the Envoy at hand validate it first.")
@_envoy.envoy_option
def envoy_command(
    module: Path,
    name: str | None,
    path: str | None,
    url: str | None,
    url_cluster: str,
    root_id: str,
    vm_id: str,
    config: str | None,
    environment: tuple[str, ...],
    failure_policy: str,
    reload_backoff: tuple[float, float],
    upstream: str | None,
    port: int,
    max_heap: int | None,
    envoy: str | None,
    *,
    tcp: bool,
    check: bool,
) -> None:
    """Write Envoy's configuration of the filter as YAML: the filter's entry, or with --upstream all of it."""
    facts = module_facts(module)
    policy = _envoy.POLICIES[failure_policy]
    values, host_names = _envoy.environment(environment)
    if path and url:
        raise click.UsageError("--path and --url exclude each other")
    if max_heap and not upstream:
        raise click.UsageError("--max-heap belongs to a whole configuration: give --upstream too")
    plugin = WasmPlugin(
        RemoteModule(url, facts.sha256, url_cluster) if url else Path(path or module),
        name=name or module.stem,
        root_id=root_id,
        vm_id=vm_id,
        configuration=_envoy.text_or_file(config),
        failure_policy=policy,
        reload_backoff=_backoff(reload_backoff) if policy is FailurePolicy.FAIL_RELOAD else None,
        environment=values,
        host_environment=host_names,
    )
    if upstream:
        heap = max_heap and max_heap * _MIB
        whole = envoy_bootstrap(plugin, Upstream.parse(upstream), port=port, tcp=tcp, max_heap=heap)
        document: Any = whole
    else:
        whole = envoy_bootstrap(plugin, Upstream("127.0.0.1", 80), port=0, admin_port=0, tcp=tcp)
        document = envoy_filter(plugin, tcp=tcp)
    if url:
        place = Upstream.parse(re.sub(r"^(\w+://[^/]+).*", r"\1", url), where="--url")
        fetched_from = cluster(url_cluster, place.host, place.port, tls=place.tls)
        whole["static_resources"]["clusters"].append(fetched_from)
    if check:
        validate(whole, binary=_envoy.binary(envoy, func_e=False))
    place_of_entry = (
        "in filters of a filter chain, before the proxy" if tcp else "in http_filters, before the router"
    )
    click.echo(
        to_yaml(
            document,
            f"{module.name}: {facts}",
            f"sha256 {facts.sha256}",
            *([] if upstream else [f"This goes {place_of_entry}."]),
        ),
        nl=False,
    )


@command.command("istio", epilog=_ISTIO_EPILOG)
@_module_argument
@click.option("--name", help="The resource's name.  [default: the module's]")
@click.option("--url", required=True, help="Where Istio gets the module: oci://, file:// or https://.")
@click.option(
    "--namespace", help="The resource's namespace; Istio's root namespace makes it apply everywhere."
)
@click.option(
    "--phase",
    type=click.Choice(["authn", "authz", "stats", "unspecified"]),
    default="unspecified",
    show_default=True,
    help="Before which of Istio's own filters it runs; unspecified: after all, before the router.",
)
@click.option("--priority", type=int, help="Order within the phase, high first.")
@click.option("--selector", multiple=True, metavar="LABEL=VALUE", help="Only on workloads with this label.")
@click.option("--target", multiple=True, metavar="KIND/NAME", help="On this Gateway, Service, ... instead.")
@click.option(
    "--match", type=click.Choice(["client", "server", "client_and_server"]), help="Traffic's direction."
)
@click.option("--match-port", multiple=True, type=click.IntRange(1, 65535), help="Only traffic to this port.")
@click.option("--plugin-name", help="The name in Envoy, which the module knows as its root id.")
@click.option("--config", metavar="JSON|@FILE", help="The plugin's configuration, a JSON object.")
@_envoy.environment_option
@_envoy.failure_policy_option
@click.option(
    "--pull-policy", type=click.Choice(["IfNotPresent", "Always"]), help="When to ask the registry again."
)
@click.option("--pull-secret", help="The Secret with the registry's login.")
@click.option("--tcp", is_flag=True, help="A network plugin instead of an HTTP plugin.")
@click.option("--no-sha256", is_flag=True, help="Leave the checksum out.")
def istio_command(
    module: Path,
    name: str | None,
    url: str,
    namespace: str | None,
    phase: str,
    priority: int | None,
    selector: tuple[str, ...],
    target: tuple[str, ...],
    match: str | None,
    match_port: tuple[int, ...],
    plugin_name: str | None,
    config: str | None,
    environment: tuple[str, ...],
    failure_policy: str,
    pull_policy: str | None,
    pull_secret: str | None,
    *,
    tcp: bool,
    no_sha256: bool,
) -> None:
    """Write Istio's WasmPlugin resource as YAML.

    The checksum is that of the image which `leaksignal-wasm push` makes of MODULE, or of MODULE itself where
    the URL is no image's.
    """
    facts = module_facts(module)
    values, host_names = _envoy.environment(environment)
    image = url.startswith("oci://")
    options = WasmPluginOptions(
        namespace=namespace,
        sha256=None if no_sha256 else facts.image_sha256 if image else facts.sha256,
        phase=Phase.UNSPECIFIED_PHASE if phase == "unspecified" else Phase(phase.upper()),
        priority=priority,
        fail_strategy=_FAIL_STRATEGIES[failure_policy],
        labels=_labels(selector),
        targets=target,
        traffic=Traffic(match.upper()) if match else None,
        ports=match_port,
        config=_object(config),
        plugin_name=plugin_name,
        environment=values,
        host_environment=host_names,
        pull_policy=pull_policy,
        pull_secret=pull_secret,
        network=tcp,
    )
    resource = wasm_plugin(name or _resource_name(module), url, options)
    click.echo(to_yaml(resource, f"{module.name}: {facts}"), nl=False)


_FAIL_STRATEGIES = {
    "reload": FailStrategy.FAIL_RELOAD,
    "closed": FailStrategy.FAIL_CLOSE,
    "open": FailStrategy.FAIL_OPEN,
}


def _backoff(seconds: tuple[float, float]) -> tuple[float, float]:
    first, most = seconds
    if not 0.002 <= first <= most:  # noqa: PLR2004 - WasmPlugin.reload_backoff tells why
        raise UserError(
            f"{first} and {most} are no back-off", where="--reload-backoff", remedy="0.002 <= FIRST <= MOST"
        )
    return seconds


def _labels(entries: tuple[str, ...]) -> dict[str, str]:
    pairs = [entry.partition("=") for entry in entries]
    for entry, (name, equals, value) in zip(entries, pairs, strict=True):
        if not (name and equals and value):
            raise UserError(f"{entry!r} is not a label", where="--selector", remedy="give LABEL=VALUE")
    return {name: value for name, _, value in pairs}


def _object(config: str | None) -> dict[str, Any] | None:
    text = _envoy.text_or_file(config)
    if text is None:
        return None
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"not JSON: {error}", where="--config", remedy="Istio takes an object") from error
    if not isinstance(found, dict):
        raise UserError(
            f"a JSON {type(found).__name__}, not an object",
            where="--config",
            remedy='wrap it: {"value": ...}',
        )
    return found


def _resource_name(module: Path) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", module.stem.lower()).strip("-") or "filter"
