"""Clusters: where traffic and call-outs go."""

from __future__ import annotations

import ipaddress
from typing import Any

from leaksignal_wasm.envoy_config._typed import Config, named, present, seconds, socket_address, typed

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def cluster(
    name: str,
    host: str,
    port: int,
    *,
    http2: bool = False,
    http1_trailers: bool = False,
    tls: bool = False,
    connect_timeout: float = 5.0,
    buffer_limit: int | None = None,
) -> Config:
    """Return a cluster of one endpoint.

    An address makes a STATIC cluster, a name one that asks the DNS. `http2` speaks HTTP/2 by prior knowledge
    (gRPC needs it); `http1_trailers` lets trailers of HTTP/1.1 through; `tls` verifies nothing and is for
    developers' own upstreams. `connect_timeout` in seconds.
    """
    endpoint = {"endpoint": {"address": socket_address(host, port)}}
    options = None
    if http2:
        options = _http_options(http2_protocol_options={})
    elif http1_trailers:
        options = _http_options(http_protocol_options={"enable_trailers": True})
    transport = None
    if tls:
        transport = named(
            "envoy.transport_sockets.tls",
            "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            sni=None if is_address(host) else host,
        )
    return present(
        name=name,
        type="STATIC" if is_address(host) else "STRICT_DNS",
        dns_lookup_family=None if is_address(host) else "V4_PREFERRED",
        connect_timeout=seconds(connect_timeout),
        load_assignment={"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
        typed_extension_protocol_options=options,
        transport_socket=transport,
        per_connection_buffer_limit_bytes=buffer_limit,
    )


def _http_options(**explicit: Any) -> Config:
    return {_HTTP_OPTIONS: typed(_HTTP_OPTIONS, explicit_http_config=explicit)}


def is_address(host: str) -> bool:
    """Return whether `host` is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
