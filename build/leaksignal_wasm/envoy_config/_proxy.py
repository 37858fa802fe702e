"""The configuration that is asked for most: a few plugins in front of one upstream."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from typing import TYPE_CHECKING

from leaksignal_wasm.envoy_config._bootstrap import bootstrap
from leaksignal_wasm.envoy_config._clusters import cluster, is_address
from leaksignal_wasm.envoy_config._listeners import Codec, direct_response, http_listener, route, tcp_listener
from leaksignal_wasm.envoy_config._wasm import WasmPlugin, http_wasm_filter, network_wasm_filter
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaksignal_wasm.envoy_config._typed import Config

_DEFAULT_PORTS = {"http": 80, "https": 443, "h2c": 80, "tcp": None}


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where a proxy sends what passes."""

    host: str
    port: int
    http2: bool = False
    """HTTP/2 by prior knowledge, as gRPC servers want it."""
    tls: bool = False

    @classmethod
    def parse(cls, text: str, *, where: str = "--upstream") -> Upstream:
        """Read `HOST:PORT` or a URL (http, https, h2c or tcp). Raises UserError, whose place is `where`."""
        url = urllib.parse.urlsplit(text if "://" in text else f"//{text}")
        scheme = url.scheme or "tcp"
        try:
            port = url.port or _DEFAULT_PORTS.get(scheme)
        except ValueError:
            port = None
        if scheme not in _DEFAULT_PORTS or not url.hostname or not port or url.path.strip("/") or url.query:
            raise UserError(
                f"{text!r} is not an upstream",
                where=where,
                remedy="give HOST:PORT, http://HOST:PORT, or https://HOST",
            )
        return cls(url.hostname, port, http2=scheme == "h2c", tls=scheme == "https")

    def __str__(self) -> str:
        """Return HOST:PORT."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def proxy(
    plugins: Sequence[WasmPlugin],
    upstream: Upstream | None,
    *,
    port: int = 0,
    tcp: bool = False,
    codec: Codec = Codec.AUTO,
    filters: Sequence[Config] = (),
    access_log: Sequence[Config] = (),
    clusters: Sequence[Config] = (),
    routes: Sequence[Config] = (),
    buffer_limit: int | None = None,
    http1_trailers: bool = False,
    start_time_header: str | None = None,
    max_heap: int | None = None,
    release_memory: bool = True,
) -> Config:
    """Return a bootstrap with the listener `ingress`, whose streams pass `plugins` and go to `upstream`.

    Without an upstream Envoy answers every request itself with 200 and no body. `filters` come after the
    plugins; with `tcp` both are network filters. `clusters` are added for call-outs; `routes` come before the
    one to the upstream. `buffer_limit` in bytes, for listener and upstream. See `http_listener` and
    `bootstrap` for the others.
    """
    upstreams = [] if upstream is None else [_cluster(upstream, buffer_limit, http1_trailers=http1_trailers)]
    if tcp:
        if upstream is None:
            raise ValueError("a TCP proxy needs an upstream")
        listener = tcp_listener(
            cluster="upstream",
            filters=[*map(network_wasm_filter, plugins), *filters],
            port=port,
            buffer_limit=buffer_limit,
        )
    else:
        listener = http_listener(
            routes=[*routes, direct_response() if upstream is None else _route(upstream)],
            filters=[*map(http_wasm_filter, plugins), *filters],
            port=port,
            codec=codec,
            access_log=access_log,
            buffer_limit=buffer_limit,
            http1_trailers=http1_trailers,
            start_time_header=start_time_header,
        )
    return bootstrap(
        listeners=[listener],
        clusters=[*upstreams, *clusters],
        max_heap=max_heap,
        release_memory=release_memory,
    )


def _cluster(upstream: Upstream, buffer_limit: int | None, *, http1_trailers: bool) -> Config:
    return cluster(
        "upstream",
        upstream.host,
        upstream.port,
        http2=upstream.http2,
        http1_trailers=http1_trailers,
        tls=upstream.tls,
        buffer_limit=buffer_limit,
    )


def _route(upstream: Upstream) -> Config:
    # No time limit: a developer's upstream may be held in a debugger. One out there must see its own name.
    return route(
        "upstream", timeout=0, rewrite_host=not is_address(upstream.host) and upstream.host != "localhost"
    )
