"""Envoy configuration for a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaksignal_wasm.envoy_config import Upstream, WasmPlugin, http_wasm_filter, network_wasm_filter, proxy

if TYPE_CHECKING:
    from leaksignal_wasm.envoy_config import Config


def envoy_filter(plugin: WasmPlugin, *, tcp: bool = False) -> list[Config]:
    """Return the entry for `http_filters` (before the router), or with `tcp` for a filter chain's `filters`."""
    return [network_wasm_filter(plugin) if tcp else http_wasm_filter(plugin)]


def envoy_bootstrap(
    plugin: WasmPlugin,
    upstream: Upstream,
    *,
    port: int,
    admin_port: int = 9901,
    tcp: bool = False,
    max_heap: int | None = None,
) -> Config:
    """Return a whole configuration: one listener on all addresses, the plugin, one upstream.

    `max_heap` (bytes) is the heap at which Envoy sheds load; None leaves it unbounded. Freed heap is given back.
    """
    config = proxy([plugin], upstream, port=port, tcp=tcp, max_heap=max_heap)
    listener = config["static_resources"]["listeners"][0]
    listener["address"]["socket_address"]["address"] = "0.0.0.0"  # noqa: S104 - a proxy is there to be reached
    listener.pop(
        "enable_reuse_port", None
    )  # workers that share the port by the kernel's hand are the better balanced
    config["admin"]["address"]["socket_address"]["port_value"] = admin_port
    return config
