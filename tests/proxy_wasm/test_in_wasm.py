"""Inside the wasm the SDK does what it does natively."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tests.proxy_wasm import every_call

from proxy_wasm_host import CallFailure, GrpcReply, Host, HttpReply, Module

if TYPE_CHECKING:
    from collections.abc import Callable

REQUEST = [
    (":method", "POST"),
    (":path", "/"),
    (":authority", "example.org"),
    ("x-request-id", "4f8c"),
    ("gone", "1"),
]


def run(module: Path | None) -> list[object]:
    """What upstream, client and log saw of one request."""
    with Host() as host:
        host.cluster("one", HttpReply(201, b"body", headers=[("x-one", "1")]))
        host.cluster("two", grpc=GrpcReply(message=b"answer"))
        host.cluster("broken", lambda _: CallFailure())
        vm = host.native_vm(every_call.EveryCall) if module is None else host.vm(Module.load(module))
        plugin = vm.plugin(name="every")
        with plugin.http_stream(properties={"source.address": "10.0.0.1:1"}) as stream:
            sent = stream.request(REQUEST, body=[b"01234", b"56789"])
            back = stream.response([(":status", "200")], body=[b"from upstream"])
            seen = [sent.headers and sent.headers.pairs(), sent.chunks, back.status, back.body]
        return [*seen, host.metrics.values_only(), *without_paths(host.messages())]


def without_paths(messages: list[str]) -> list[str]:
    return [
        "\n".join(line for line in message.splitlines() if not line.startswith("  File"))
        for message in messages
    ]


def test_the_wasm_does_what_the_native_interpreter_does(build_filter: Callable[..., Path]) -> None:
    native = run(None)
    assert native[2] == 418
    assert any("ValueError: at the end" in str(line) for line in native)
    assert run(build_filter(Path(every_call.__file__).read_text())) == native
