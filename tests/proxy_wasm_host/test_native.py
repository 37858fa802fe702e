"""One filter, twice: in this interpreter and in the wasm. Everybody must see the same."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

import pytest
from tests.proxy_wasm_host.probe import GET, OK, POST

from proxy_wasm._discover import find_plugin
from proxy_wasm_host import (
    AbiVersion,
    Host,
    LogLevel,
    Module,
    Plugin,
    VirtualClock,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOURCE = """
from proxy_wasm import Action, Counter, Histogram, HttpContext, PluginContext, log

STREAMS = Counter("streams")
SIZES = Histogram("sizes")


class Stream(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        STREAMS.increment(1)
        order = self.request_headers.text.get("x-order") or ""
        log.info(f"order {order!r} of {num_headers} at {end_of_stream}")
        if order == "local":
            self.send_response(403, headers=[("x-by", "filter")], body="no")
        elif order == "raise":
            raise ValueError("ordered")
        elif order == "pause":
            return Action.PAUSE
        self.request_headers.remove("x-secret")
        self.request_headers.add("x-twice", "1")
        self.request_headers.add("x-twice", b"\\xff2")
        return Action.CONTINUE

    def on_request_body(self, body_size, end_of_stream):
        SIZES.record(body_size)
        if not end_of_stream:
            return Action.PAUSE
        self.request_body.replace(bytes(self.request_body).swapcase())
        return Action.CONTINUE

    def on_response_headers(self, num_headers, end_of_stream):
        self.response_headers.remove("content-length")
        self.response_headers["x-count"] = str(num_headers)
        return Action.CONTINUE

    def on_response_body(self, body_size, end_of_stream):
        if end_of_stream:
            self.response_body.append(b"!")
        return Action.CONTINUE

    def on_log(self):
        log.warning("logged")


class Plugin(PluginContext):
    http_context = Stream

    def on_configure(self, configuration):
        log.debug("configured")
        return True
"""

ORDERS = ["", "local", "raise", "pause"]


def natively(source: str) -> type[Any]:
    module = types.ModuleType("filter_under_test")
    exec(compile(source, "filter.py", "exec"), module.__dict__)  # noqa: S102 -- the same text the build gets
    found: type[Any] = find_plugin(module)
    return found


@pytest.fixture(scope="session")
def same_filter(build_filter: Callable[..., Path]) -> tuple[type[Any], Module]:
    return natively(SOURCE), Module.load(build_filter(SOURCE))


def both(same_filter: tuple[type[Any], Module]) -> list[tuple[Host, Plugin]]:
    native, module = same_filter
    hosts = [Host(VirtualClock()), Host(VirtualClock())]
    return [
        (hosts[0], hosts[0].native_vm(native).plugin("f", "root", b"{}")),
        (hosts[1], hosts[1].vm(module).plugin("f", "root", b"{}")),
    ]


def converse(plugin: Plugin, order: str) -> list[Any]:
    """Run one stream and return what everybody saw."""
    headers: list[tuple[str | bytes, str | bytes]] = [
        *POST,
        ("x-order", order),
        ("x-secret", "s"),
        (b"x-raw", b"\xfe"),
    ]
    with plugin.http_stream() as stream:
        stream.request(headers, [b"Body", b"", b"Two"], trailers=[("t", "1")] if order == "pause" else None)
        if stream.upstream.headers is not None and stream.local_response is None:
            stream.response(OK, [b"a", b"b"])
    return [stream.actions, stream.upstream, stream.downstream, stream.local_response, stream.reset]


def lines(host: Host) -> list[tuple[LogLevel, str]]:
    """The log, without the frames of tracebacks, which differ in their paths."""
    return [(line.level, line.message.split("\n")[0]) for line in host.logs]


def test_both_see_and_do_the_same(same_filter: tuple[type[Any], Module]) -> None:
    (native_host, native), (wasm_host, wasm) = both(same_filter)
    for order in ORDERS:
        assert converse(native, order) == converse(wasm, order), order
    assert dict(native_host.metrics) == dict(wasm_host.metrics)
    assert lines(native_host) == lines(wasm_host)
    assert native_host.metrics["streams"] == len(ORDERS)


def test_a_native_vm_is_of_the_newest_abi_and_ends_like_any_other(
    same_filter: tuple[type[Any], Module],
) -> None:
    (_, native), (_, wasm) = both(same_filter)
    assert same_filter[1].abi is AbiVersion.V0_2_1
    for plugin in (native, wasm):
        stream = plugin.http_stream()
        stream.request(GET)
        plugin.vm.close()
        assert plugin.vm.contexts == {}
        assert stream.closed


def test_native_vms_with_one_vm_id_share_their_data() -> None:
    source = """
from proxy_wasm import HttpContext, PluginContext, shared_data

class Stream(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        self.request_headers["x-found"] = shared_data.get("k")[0] or b"nothing"
        shared_data.set("k", b"something")

class Plugin(PluginContext):
    http_context = Stream
"""
    found: list[bytes] = []
    host = Host()
    for vm_id in ("a", "b", "a"):
        plugin = host.native_vm(natively(source), vm_id=vm_id).plugin()
        with plugin.http_stream() as stream:
            headers = stream.request(GET).headers
            assert headers is not None
            found.append(headers["x-found"])
    assert found == [b"nothing", b"nothing", b"something"]


def test_the_module_runs_many_streams_a_second_and_forgets_them(
    same_filter: tuple[type[Any], Module],
) -> None:
    (_, _), (host, wasm) = both(same_filter)
    for _again in range(500):
        converse(wasm, "")
    assert list(wasm.vm.contexts) == [wasm.context.id]
    assert wasm.streams == {}
    assert host.metrics["streams"] == 500
