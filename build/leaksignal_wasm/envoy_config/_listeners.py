"""Listeners: HTTP (1.1, 2 and with it gRPC) and TCP."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from leaksignal_wasm.envoy_config._typed import Config, named, present, seconds, socket_address

if TYPE_CHECKING:
    from collections.abc import Sequence

LOOPBACK = "127.0.0.1"


class Codec(enum.StrEnum):
    """Which HTTP a listener speaks."""

    AUTO = "AUTO"
    """HTTP/1.1, or HTTP/2 when the client opens with its preface (prior knowledge)."""
    HTTP1 = "HTTP1"
    HTTP2 = "HTTP2"


def route(
    cluster: str, *, prefix: str = "/", timeout: float | None = None, rewrite_host: bool = False
) -> Config:
    """Return a route to `cluster`.

    `timeout` in seconds, 0 for none, None for Envoy's 15 s; `rewrite_host` puts the upstream's name into
    `:authority`.
    """
    action = present(
        cluster=cluster,
        timeout=None if timeout is None else seconds(timeout),
        auto_host_rewrite=rewrite_host or None,
    )
    return {"match": {"prefix": prefix}, "route": action}


def direct_response(body: str = "", *, prefix: str = "/", status: int = 200) -> Config:
    """Return a route that Envoy answers itself."""
    answer: Config = {"status": status}
    if body:
        answer["body"] = {"inline_string": body}
    return {"match": {"prefix": prefix}, "direct_response": answer}


def router() -> Config:
    """Return the filter that ends every HTTP filter chain."""
    return named("envoy.filters.http.router", "envoy.extensions.filters.http.router.v3.Router")


def http_listener(
    name: str = "ingress",
    *,
    routes: Sequence[Config],
    filters: Sequence[Config] = (),
    port: int = 0,
    address: str = LOOPBACK,
    codec: Codec = Codec.AUTO,
    access_log: Sequence[Config] = (),
    buffer_limit: int | None = None,
    upgrades: Sequence[str] = ("websocket",),
    request_timeout: float | None = None,
    http1_trailers: bool = False,
    start_time_header: str | None = None,
) -> Config:
    """Return a listener whose requests go through `filters` and then by the first of `routes` that matches.

    `buffer_limit` (bytes) is both the connection's and the filters' buffer; None leaves Envoy's 1 MiB. `port`
    0 lets the system choose. `request_timeout` in seconds; None is Envoy's default: none. Envoy drops the
    trailers of HTTP/1.1 without `http1_trailers`. `start_time_header` is set to the request's start (seconds since
    the epoch, nine decimals) before any filter sees it, and is not sent upstream.
    """
    manager = named(
        "envoy.filters.network.http_connection_manager",
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=name,
        codec_type=None if codec is Codec.AUTO else codec.value,
        route_config=present(
            name=name,
            virtual_hosts=[{"name": "all", "domains": ["*"], "routes": list(routes)}],
            request_headers_to_remove=[start_time_header] if start_time_header else None,
        ),
        early_header_mutation_extensions=[_start_time(start_time_header)] if start_time_header else None,
        http_filters=[*filters, router()],
        access_log=list(access_log) or None,
        upgrade_configs=[{"upgrade_type": upgrade} for upgrade in upgrades] or None,
        http_protocol_options={"enable_trailers": True} if http1_trailers else None,
        request_timeout=None if request_timeout is None else seconds(request_timeout),
    )
    return _listener(name, [manager], port=port, address=address, buffer_limit=buffer_limit)


def tcp_listener(
    name: str = "ingress",
    *,
    cluster: str,
    filters: Sequence[Config] = (),
    port: int = 0,
    address: str = LOOPBACK,
    buffer_limit: int | None = None,
) -> Config:
    """Return a listener whose connections go through the network `filters` and then to `cluster`."""
    proxy = named(
        "envoy.filters.network.tcp_proxy",
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
        stat_prefix=name,
        cluster=cluster,
    )
    return _listener(name, [*filters, proxy], port=port, address=address, buffer_limit=buffer_limit)


def file_access_log(path: str = "/dev/stdout", *, line: str | None = None) -> Config:
    """Return an access logger of one `line` a request, in Envoy's command operators (None: its default)."""
    log_format = None if line is None else {"text_format_source": {"inline_string": line + "\n"}}
    return named(
        "envoy.access_loggers.file",
        "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        path=path,
        log_format=log_format,
    )


def stdout_access_log(line: str) -> Config:
    """Return an access logger of one `line` a request on Envoy's standard output, in its command operators."""
    return named(
        "envoy.access_loggers.stdout",
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        log_format={"text_format_source": {"inline_string": line + "\n"}},
    )


def _start_time(header: str) -> Config:
    """Return the extension that writes the start time into `header` before the filters are called."""
    value = {
        "header": {"key": header, "value": "%START_TIME(%s.%9f)%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    return named(
        "envoy.http.early_header_mutation.header_mutation",
        "envoy.extensions.http.early_header_mutation.header_mutation.v3.HeaderMutation",
        mutations=[{"append": value}],
    )


def _listener(
    name: str, filters: list[Config], *, port: int, address: str, buffer_limit: int | None
) -> Config:
    return present(
        name=name,
        address=socket_address(address, port),
        per_connection_buffer_limit_bytes=buffer_limit,
        filter_chains=[{"filters": filters}],
        # Two Envoys must not share a port by accident: an occupied port is an error that names itself.
        enable_reuse_port=False if port else None,
    )
