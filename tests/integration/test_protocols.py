"""What must neither stall nor change: upgrades, tunnels, events, ranges, trailers of held bodies, odd headers."""

from __future__ import annotations

import http.client
import socket
from typing import TYPE_CHECKING, Any

import grpc
import h2.connection
import h2.events
import pytest

from leaksignal_wasm.envoy.testing import Answer, HttpUpstream, request

if TYPE_CHECKING:
    from tests.integration.conftest import RawUpstream

    from leaksignal_wasm.envoy import EnvoyProcess


def connect(envoy: EnvoyProcess, listener: str = "raw") -> socket.socket:
    return socket.create_connection(("127.0.0.1", envoy.port(listener)), timeout=30)


def until(connection: socket.socket, end: bytes) -> bytes:
    """Read up to and with `end`."""
    got = b""
    while not got.endswith(end):
        piece = connection.recv(1)
        if not piece:
            raise AssertionError(f"the connection ended after {got!r}")
        got += piece
    return got


def test_a_web_socket_passes_in_both_directions(envoy: EnvoyProcess, raw_upstream: RawUpstream) -> None:
    with connect(envoy) as client:
        client.sendall(
            b"GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
        )
        with raw_upstream.accept() as server:
            assert b"upgrade: websocket\r\n" in until(server, b"\r\n\r\n")
            server.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
            )
            head = until(client, b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert b"x-python: yes\r\n" in head
            for number in range(3):  # a frame has to arrive before the next is sent
                client.sendall(b"\x81\x85mask%d\xff\x00\xfe." % number)
                assert until(server, b"\xfe.") == b"\x81\x85mask%d\xff\x00\xfe." % number
                server.sendall(b"\x82\x04%d\x00\xff." % number)
                assert until(client, b"\xff.") == b"\x82\x04%d\x00\xff." % number


def test_a_tunnel_by_connect_passes_in_both_directions(
    envoy: EnvoyProcess, raw_upstream: RawUpstream
) -> None:
    with connect(envoy) as client:
        client.sendall(b"CONNECT example.test:443 HTTP/1.1\r\nhost: example.test:443\r\n\r\n")
        with raw_upstream.accept() as server:
            assert until(client, b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")
            for number in range(3):
                client.sendall(b"\x16\x03%d\x00." % number)
                assert until(server, b".") == b"\x16\x03%d\x00." % number
                server.sendall(b"\x15\xff%d." % number)
                assert until(client, b".") == b"\x15\xff%d." % number


def test_each_server_sent_event_arrives_before_the_next_is_there(
    envoy: EnvoyProcess, raw_upstream: RawUpstream
) -> None:
    with connect(envoy) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nhost: a\r\naccept: text/event-stream\r\n\r\n")
        with raw_upstream.accept() as server:
            until(server, b"\r\n\r\n")
            server.sendall(
                b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            )
            assert b"x-python: yes\r\n" in until(client, b"\r\n\r\n")
            for number in range(3):
                event = b"data: %d\n\n" % number
                server.sendall(b"%x\r\n%b\r\n" % (len(event), event))
                assert until(client, event + b"\r\n") == b"%x\r\n%b\r\n" % (len(event), event)


def test_part_of_a_document_passes(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    upstream.respond = lambda _: Answer(206, headers=[("content-range", "bytes 2-4/10")], body=b"cde")
    reply = request(envoy, listener="closed", headers={"range": "bytes=2-4"})
    assert (reply.status, reply.body, reply.headers["content-range"]) == (206, b"cde", "bytes 2-4/10")
    assert upstream.requests[-1].headers["range"] == "bytes=2-4"
    assert reply.headers["content-length"] == "3"


@pytest.mark.parametrize("held", ["", "hold"])
def test_trailers_of_http1_come_behind_a_body_in_both_directions(
    envoy: EnvoyProcess, raw_upstream: RawUpstream, held: str
) -> None:
    with connect(envoy) as client:
        client.sendall(
            b"POST / HTTP/1.1\r\nhost: a\r\nx-probe: %b\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n"
            b"3\r\none\r\n3\r\ntwo\r\n0\r\nx-request-end: 1\r\n\r\n" % held.encode()
        )
        with raw_upstream.accept() as server:
            until(server, b"\r\n\r\n")
            sent = until(server, b"\r\n\r\n")
            assert sent.endswith(b"0\r\nx-request-end: 1\r\n\r\n")
            assert sent.count(b"|trailers") == (1 if held else 0)
            assert b"|end" not in sent
            server.sendall(
                b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                b"3\r\nabc\r\n3\r\ndef\r\n0\r\nx-response-end: 1\r\n\r\n"
            )
            until(client, b"\r\n\r\n")
            got = until(client, b"\r\n\r\n")
    assert got.endswith(b"0\r\nx-response-end: 1\r\n\r\n")
    body = b"".join(line for line in got.split(b"\r\n")[:-3] if line.isalpha() and len(line) > 1)
    assert body == b"abcdef"


@pytest.mark.parametrize("body", [b"data", [b"da", b"ta"]], ids=["of known length", "in chunks"])
def test_a_body_that_is_held_to_its_end_arrives(
    envoy: EnvoyProcess, upstream: HttpUpstream, body: Any
) -> None:
    headers = {"x-probe": "hold"}
    if body == b"data":
        headers["transfer-encoding"] = "chunked"
        body = [body]
    reply = request(envoy, "POST", listener="closed", body=body, headers=headers)
    assert upstream.requests[-1].body == b"data|end"
    assert (reply.status, reply.body) == (200, b"data|end")


@pytest.mark.parametrize("held", ["", "hold"])
def test_trailers_of_http2_come_behind_the_body_of_a_request(
    envoy: EnvoyProcess, raw_upstream: RawUpstream, held: str
) -> None:
    speaker = h2.connection.H2Connection()
    speaker.initiate_connection()
    headers = [
        (":method", "POST"), (":path", "/"), (":scheme", "http"), (":authority", "a"), ("x-probe", held),
        ("te", "trailers"),
    ]  # fmt: skip
    speaker.send_headers(1, headers)
    speaker.send_data(1, b"one")
    speaker.send_data(1, b"two")
    speaker.send_headers(1, [("x-request-end", "1")], end_stream=True)
    with connect(envoy) as client:
        client.sendall(speaker.data_to_send())
        with raw_upstream.accept() as server:
            until(server, b"\r\n\r\n")
            sent = until(server, b"\r\n\r\n")
            assert sent.endswith(b"0\r\nx-request-end: 1\r\n\r\n")
            assert sent.count(b"|trailers") == (1 if held else 0)
            server.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
            events: list[h2.events.Event] = []
            while not any(isinstance(event, h2.events.ResponseReceived) for event in events):
                events += speaker.receive_data(client.recv(4096))


def test_held_messages_of_grpc_arrive_with_their_trailers(envoy: EnvoyProcess) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{envoy.port('grpc')}") as channel:
        order = (("x-probe", "hold-response"),)
        stream: grpc.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream("/test.Echo/Stream")
        call = stream(iter([b"1" * 70_000, b"2"]), metadata=order, timeout=30)
        assert list(call) == [b"1" * 70_000, b"2"]
        assert dict(call.trailing_metadata())["x-upstream"] == "done"


def test_more_than_the_buffer_holds_is_refused_by_envoy(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    reply = request(envoy, "POST", listener="small", body=b"x" * 400_000, headers={"x-probe": "hold"})
    assert reply.status == 413
    upstream.respond = lambda _: Answer(body=b"x" * 400_000)
    # The response's headers are out by then, and all that is left is to break off.
    with pytest.raises(http.client.IncompleteRead):
        request(envoy, listener="small", headers={"x-probe": "hold-response"})
    reply = request(envoy, listener="small")
    assert (reply.status, len(reply.body)) == (200, 400_000)


def test_header_values_are_bytes_in_both_directions(envoy: EnvoyProcess, upstream: HttpUpstream) -> None:
    values = [b"\xff\xfe\x80 \xc3\xa4", b"", b"again", b"again"]
    lines = b"".join(b"x-value: %b\r\n" % value for value in values)
    upstream.respond = lambda _: Answer(headers=[("x-value", value.decode("latin-1")) for value in values])
    with connect(envoy, "closed") as client:
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nx-probe: copy\r\n%b\r\n" % lines)
        reply = until(client, b"\r\n\r\n")
    received = upstream.requests[-1].headers
    for name in ("x-value", "x-copy"):
        assert [value.encode("latin-1") for value in received.get_all(name, [])] == values
        given = [line.partition(b": ")[2] for line in reply.split(b"\r\n") if line.startswith(name.encode())]
        assert given == values


@pytest.mark.parametrize(("order", "status"), [("", b"200"), ("raise:on_request_metadata", b"500")])
def test_metadata_frames_reach_the_filter(
    envoy: EnvoyProcess, upstream: HttpUpstream, order: str, status: bytes
) -> None:
    since = len(envoy.log_lines())
    speaker = h2.connection.H2Connection()
    speaker.initiate_connection()
    headers = [
        (":method", "POST"),
        (":path", "/"),
        (":scheme", "http"),
        (":authority", "a"),
        ("x-probe", order),
    ]
    speaker.send_headers(1, headers)
    block = b"\x00\x04mark\x02on" + b"\x00\x05other\x03off"  # HPACK literals
    metadata = len(block).to_bytes(3) + b"\x4d\x04" + (1).to_bytes(4) + block
    before = speaker.data_to_send()
    speaker.end_stream(1)
    with connect(envoy, "metadata") as client:
        client.sendall(before + metadata + speaker.data_to_send())
        given: list[bytes] = []
        while not given:
            for event in speaker.receive_data(client.recv(4096)):
                if isinstance(event, h2.events.ResponseReceived):
                    given = [value for name, value in event.headers if name == b":status"]
    assert given == [status]
    envoy.wait_for_log("metadata: 2", since=since)
    assert len(upstream.requests) == (0 if order else 1)
