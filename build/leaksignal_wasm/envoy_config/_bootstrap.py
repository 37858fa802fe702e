"""The bootstrap: what an Envoy is started with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from leaksignal_wasm.envoy_config._typed import Config, named, present, seconds, socket_address

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

RELEASE_BYTES = 64 << 20
"""Freed heap that Envoy may hand back to the system each second: V8 frees much once it has compiled."""


def memory_allocator_manager() -> Config:
    """Return the setting that gives freed heap back to the system instead of keeping it for ever."""
    return {"bytes_to_release": RELEASE_BYTES, "memory_release_interval": seconds(1)}


def heap_limit(most: int) -> Config:
    """Return an overload manager that sheds load before Envoy's heap grows over `most` bytes.

    Envoy has no memory limit of its own for a Wasm VM: a module's memory is bounded by the maximum it
    declares, and all VMs together, one a worker thread, by this. At 95 % the heap is shrunk, at 98 % new
    requests get 503.
    """
    return {
        "refresh_interval": seconds(0.25),
        "resource_monitors": [
            named(
                "envoy.resource_monitors.fixed_heap",
                "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=most,
            )
        ],
        "actions": [
            _at("envoy.overload_actions.shrink_heap", 0.95),
            _at("envoy.overload_actions.stop_accepting_requests", 0.98),
        ],
    }


def bootstrap(
    *,
    listeners: Sequence[Config] = (),
    clusters: Sequence[Config] = (),
    admin_port: int = 0,
    admin_address: str = "127.0.0.1",
    max_heap: int | None = None,
    release_memory: bool = True,
    extensions: Sequence[Config] = (),
    stats_sinks: Sequence[Config] = (),
    stats_tags: Mapping[str, str] | None = None,
    node: tuple[str, str] = ("leaksignal-wasm", "leaksignal-wasm"),
) -> Config:
    """Return a bootstrap with static listeners and clusters and an admin interface.

    `max_heap` in bytes (see `heap_limit`); `release_memory` gives freed heap back, and makes Envoy's end take
    up to a second longer; `stats_tags` maps a tag's name to the regex that finds it in a metric's name
    (envoy/config/metrics/v3/stats.proto, TagSpecifier); `node` is the node's id and cluster, which file-based
    xDS needs.
    """
    tags = [{"tag_name": name, "regex": regex} for name, regex in (stats_tags or {}).items()]
    return present(
        node={"id": node[0], "cluster": node[1]},
        admin={"address": socket_address(admin_address, admin_port)},
        static_resources=present(listeners=list(listeners) or None, clusters=list(clusters) or None),
        memory_allocator_manager=memory_allocator_manager() if release_memory else None,
        overload_manager=None if max_heap is None else heap_limit(max_heap),
        bootstrap_extensions=list(extensions) or None,
        stats_sinks=list(stats_sinks) or None,
        stats_config={"stats_tags": tags} if tags else None,
    )


def _at(action: str, share: float) -> Config:
    triggers = [{"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": share}}]
    return {"name": action, "triggers": triggers}
