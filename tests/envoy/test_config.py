from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leaksignal_wasm.envoy import EnvoyBinary, validate
from leaksignal_wasm.envoy_config import (
    Codec,
    FailurePolicy,
    TapFormat,
    Upstream,
    WasmPlugin,
    bootstrap,
    cluster,
    direct_response,
    file_access_log,
    http_listener,
    http_tap,
    http_wasm_filter,
    network_wasm_filter,
    payload,
    proxy,
    route,
    stdout_access_log,
    tcp_listener,
    wasm_access_log,
    wasm_service,
    wasm_stats_sink,
)
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(scope="module")
def plugin(wat_module: Callable[[str], Path]) -> WasmPlugin:
    return WasmPlugin(
        wat_module("greeter"),
        name="greeter",
        root_id="root",
        vm_id="vm",
        configuration={"key": [1, 2.5, None, "é"]},
        vm_configuration=b"\x00\xff",
        failure_policy=FailurePolicy.FAIL_RELOAD,
        reload_backoff=(0.5, 30),
        environment={"A": "b"},
        host_environment=["HOME"],
        stop_iteration_on_headers=True,
    )


def test_envoy_accepts_all_that_can_be_built(plugin: WasmPlugin, envoy_binary: EnvoyBinary) -> None:
    config = bootstrap(
        listeners=[
            http_listener(
                "web",
                routes=[
                    direct_response("hi", prefix="/hi", status=418),
                    route("named", timeout=1.5, rewrite_host=True),
                ],
                filters=[http_wasm_filter(plugin), http_tap("/tmp/x", tap_format=TapFormat.PROTO_BINARY)],
                codec=Codec.HTTP2,
                access_log=[
                    file_access_log(line="%PROTOCOL%"),
                    stdout_access_log("x"),
                    wasm_access_log(plugin),
                ],
                buffer_limit=1000,
                request_timeout=3,
            ),
            tcp_listener("raw", cluster="addressed", filters=[network_wasm_filter(plugin)], port=1234),
        ],
        clusters=[
            cluster("named", "example.invalid", 443, tls=True, http2=True, connect_timeout=0.25),
            cluster("addressed", "::1", 80, buffer_limit=10),
        ],
        max_heap=1 << 30,
        extensions=[wasm_service(plugin, singleton=True)],
        stats_sinks=[wasm_stats_sink(plugin)],
        stats_tags={"listener": r"^http\.((.+?)\.)"},
    )
    json.dumps(config)
    validate(config, binary=envoy_binary)


def test_envoy_names_what_it_does_not_accept(envoy_binary: EnvoyBinary) -> None:
    config = bootstrap(listeners=[http_listener(routes=[route("nowhere")])])
    with pytest.raises(UserError, match="nowhere"):
        validate(config, binary=envoy_binary)


def test_func_e_validates_too(func_e_binary: EnvoyBinary, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVOY_PATH", str(func_e_binary.path))
    on_its_own = EnvoyBinary(None, func_e_binary.func_e)
    validate(proxy([], None), binary=on_its_own)
    with pytest.raises(UserError, match="colour"):
        validate({**proxy([], None), "colour": "red"}, binary=on_its_own)


def test_an_object_reaches_the_module_as_the_json_it_was() -> None:
    value = {"z": 10**17 + 1, "a": [True, None], "text": "é\n"}
    assert json.loads(payload(value)["value"]) == value
    assert list(json.loads(payload(value)["value"])) == ["z", "a", "text"]


def test_a_back_off_that_kills_envoy_is_refused() -> None:
    with pytest.raises(ValueError, match="reload_backoff"):
        WasmPlugin(Path("x.wasm"), reload_backoff=(0.001, 1))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("127.0.0.1:80", Upstream("127.0.0.1", 80)),
        ("[::1]:80", Upstream("::1", 80)),
        ("http://example.org", Upstream("example.org", 80)),
        ("https://example.org/", Upstream("example.org", 443, tls=True)),
        ("h2c://localhost:50051", Upstream("localhost", 50051, http2=True)),
        ("tcp://db:5432", Upstream("db", 5432)),
    ],
)
def test_an_upstream_is_read_from(text: str, found: Upstream) -> None:
    assert Upstream.parse(text) == found


@pytest.mark.parametrize(
    "text", ["", "example.org", "x:y", "http://x:99999", "ftp://x:1", "http://x/path", "tcp://x"]
)
def test_no_upstream_is_read_from(text: str) -> None:
    with pytest.raises(UserError, match="is not an upstream"):
        Upstream.parse(text)


def test_a_tcp_proxy_needs_an_upstream() -> None:
    with pytest.raises(ValueError, match="upstream"):
        proxy([], None, tcp=True)


def listener(config: dict[str, Any]) -> Any:
    return config["static_resources"]["listeners"][0]


def test_a_fixed_port_is_not_shared_a_free_one_may_be() -> None:
    assert listener(proxy([], None, port=8080))["enable_reuse_port"] is False
    assert "enable_reuse_port" not in listener(proxy([], None))
