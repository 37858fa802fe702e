"""gRPC calls with trailers pass, are changed, and are refused with a gRPC status."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaksignal_wasm.envoy import EnvoyProcess


@pytest.fixture
def channel(envoy: EnvoyProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(
        f"127.0.0.1:{envoy.port('grpc')}", options=[("grpc.max_receive_message_length", -1)]
    ) as channel:
        yield channel


def unary(channel: grpc.Channel) -> grpc.UnaryUnaryMultiCallable[bytes, bytes]:
    return channel.unary_unary("/test.Echo/Unary")


def stream(channel: grpc.Channel) -> grpc.StreamStreamMultiCallable[bytes, bytes]:
    return channel.stream_stream("/test.Echo/Stream")


@pytest.mark.parametrize("size", [0, 10, 100_000, 3_000_000])
def test_a_unary_call_passes_with_its_trailers(channel: grpc.Channel, size: int) -> None:
    message = b"m" * size
    answer, call = unary(channel).with_call(message, timeout=30)
    assert answer == message
    assert dict(call.initial_metadata())["x-python"] == "yes"
    assert dict(call.trailing_metadata())["x-upstream"] == "done"


def test_a_stream_passes_message_by_message(channel: grpc.Channel) -> None:
    sent = [b"%d" % number * 1000 for number in range(50)]
    call = stream(channel)(iter(sent), timeout=30)
    assert list(call) == sent
    assert dict(call.trailing_metadata())["x-upstream"] == "done"


def test_the_filter_adds_a_trailer(channel: grpc.Channel) -> None:
    _, call = unary(channel).with_call(b"x", metadata=(("x-probe", "append-trailer"),), timeout=30)
    assert dict(call.trailing_metadata())["x-python-trailer"] == "yes"


def test_a_local_response_is_a_grpc_status(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as error:
        unary(channel)(b"x", metadata=(("x-probe", "grpc-denied"),), timeout=30)
    assert error.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert error.value.details() == "no"


def test_an_exception_in_the_trailers_resets_the_call(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError):
        unary(channel)(b"x", metadata=(("x-probe", "raise:on_response_trailers"),), timeout=30)
