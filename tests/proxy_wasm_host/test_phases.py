"""Which call is legal in which phase, with which answer: the whole matrix, for Envoy and for the specification.

A column is a callback, a row a call. `.` is OK, `b` BAD_ARGUMENT, `n` NOT_FOUND, `e` EMPTY, `u` UNIMPLEMENTED.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.proxy_wasm_host.probe import OK, POST, Guest, Probe

from proxy_wasm_host import BufferType, HttpReply, MapType, StreamType

if TYPE_CHECKING:
    from collections.abc import Callable

HTTP_PHASES = [
    "vm_start", "configure", "tick", "request_headers", "request_body", "request_trailers", "response_headers",
    "response_body", "response_trailers", "http_call_response", "log", "done", "delete",
]  # fmt: skip
TCP_PHASES = [
    "new_connection", "downstream_data", "upstream_data", "downstream_connection_close",
    "upstream_connection_close",
]  # fmt: skip
LETTERS = {0: ".", 1: "n", 2: "b", 6: "m", 7: "e", 12: "u"}

CALLS: dict[str, Callable[[Guest], int]] = {}
for kind in MapType:
    CALLS[f"value {kind.name}"] = lambda guest, kind=kind: guest.header(kind, b"x-none")[0]  # type: ignore[misc]
    CALLS[f"pairs {kind.name}"] = lambda guest, kind=kind: guest.pairs(kind)[0]  # type: ignore[misc]
    CALLS[f"size {kind.name}"] = lambda guest, kind=kind: guest.number("proxy_get_header_map_size", kind)[0]  # type: ignore[misc]
for kind in MapType:
    CALLS[f"add {kind.name}"] = lambda guest, kind=kind: guest.add(kind, b"x-a", b"1")  # type: ignore[misc]
for buffer in BufferType:
    CALLS[f"read {buffer.name}"] = lambda guest, buffer=buffer: guest.body(buffer)[0]  # type: ignore[misc]
    CALLS[f"write {buffer.name}"] = lambda guest, buffer=buffer: guest.set_body(buffer, b"x")  # type: ignore[misc]
CALLS["set_property"] = lambda guest: guest.call("proxy_set_property", *guest.put(b"a"), *guest.put(b"1"))
CALLS["plugin_name"] = lambda guest: guest.prop("plugin_name")[0]
CALLS["request.path"] = lambda guest: guest.prop("request", "path")[0]
CALLS["get_status"] = lambda guest: guest.given("proxy_get_status", guest.out())[0]
CALLS["done"] = lambda guest: guest.call("proxy_done")
ENDING: dict[str, Callable[[Guest], int]] = {"send_local_response": lambda guest: guest.respond(200)}
for stream in StreamType:
    ENDING[f"continue {stream.name}"] = lambda guest, stream=stream: guest.call(
        "proxy_continue_stream", stream
    )  # type: ignore[misc]
    ENDING[f"close {stream.name}"] = lambda guest, stream=stream: guest.call("proxy_close_stream", stream)  # type: ignore[misc]


def drive_http(probe: Probe) -> None:
    probe.host.cluster("auth", HttpReply(200, b"fine", trailers=[("t", "1")]))
    plugin = probe.plugin()
    probe.vm.set_tick_period(plugin.context, 1000)
    probe.clock.advance(1)
    with plugin.http_stream() as stream:
        stream.request(POST, [b"body"], trailers=[("t", "1")])
        if stream.upstream.headers is not None and stream.reset is None and stream.local_response is None:
            stream.response(OK, [b"body"], trailers=[("t", "1")])


def drive_tcp(probe: Probe) -> None:
    with probe.plugin().tcp_stream() as stream:
        stream.downstream_data(b"ping")
        if stream.reset is None:
            stream.upstream_data(b"pong", end_of_stream=True)


Found = dict[str, dict[str, str]]


def ask_everything(
    probe: Probe, calls: dict[str, Callable[[Guest], int]], phases: list[str], found: Found
) -> None:
    """Make `calls` in `phases`; the tick makes the HTTP call that one of the phases is about."""

    def handler(phase: str) -> Callable[..., None]:
        def make(guest: Guest, *_arguments: int) -> None:
            if phase == "tick":
                assert guest.http_call(b"auth")[0] == 0
            for name, call in calls.items() if phase in phases else ():
                found.setdefault(name, {}).setdefault(phase, LETTERS[call(guest)])

        return make

    probe.on |= {phase: handler(phase) for phase in {*phases, "tick"}}


def matrix(*, quirks: bool) -> str:
    found: Found = {}
    for phases, drive in ((HTTP_PHASES, drive_http), (TCP_PHASES, drive_tcp)):
        probe = Probe(quirks=quirks)
        ask_everything(probe, CALLS, phases, found)
        drive(probe)
        # These end the stream, so each gets one for itself.
        for name, call in ENDING.items():
            for phase in phases:
                probe = Probe(quirks=quirks)
                ask_everything(probe, {name: call}, [phase], found)
                drive(probe)
    return "\n".join(
        f"{name:<35} "
        + " ".join(
            "".join(found[name].get(phase, "-") for phase in phases) for phases in (HTTP_PHASES, TCP_PHASES)
        )
        for name in (*CALLS, *ENDING)
    )


ENVOY = """
value HTTP_REQUEST_HEADERS          bbbnbbbbbbnbb bbbbb
pairs HTTP_REQUEST_HEADERS          ............. .....
size HTTP_REQUEST_HEADERS           bbb.bbbbbbbbb bbbbb
value HTTP_REQUEST_TRAILERS         bbbbbnbbbbnbb bbbbb
pairs HTTP_REQUEST_TRAILERS         ............. .....
size HTTP_REQUEST_TRAILERS          bbbbb.bbbbbbb bbbbb
value HTTP_RESPONSE_HEADERS         bbbbbbnbbbnbb bbbbb
pairs HTTP_RESPONSE_HEADERS         ............. .....
size HTTP_RESPONSE_HEADERS          bbbbbb.bbbbbb bbbbb
value HTTP_RESPONSE_TRAILERS        bbbbbbbbnbnbb bbbbb
pairs HTTP_RESPONSE_TRAILERS        ............. .....
size HTTP_RESPONSE_TRAILERS         bbbbbbbb.bbbb bbbbb
value GRPC_CALL_INITIAL_METADATA    bbbbbbbbbbnbb bbbbb
pairs GRPC_CALL_INITIAL_METADATA    ............. .....
size GRPC_CALL_INITIAL_METADATA     bbbbbbbbbbbbb bbbbb
value GRPC_CALL_TRAILING_METADATA   bbbbbbbbbbnbb bbbbb
pairs GRPC_CALL_TRAILING_METADATA   ............. .....
size GRPC_CALL_TRAILING_METADATA    bbbbbbbbbbbbb bbbbb
value HTTP_CALL_RESPONSE_HEADERS    bbbbbbbbbnnbb bbbbb
pairs HTTP_CALL_RESPONSE_HEADERS    ............. .....
size HTTP_CALL_RESPONSE_HEADERS     bbbbbbbbbbbbb bbbbb
value HTTP_CALL_RESPONSE_TRAILERS   bbbbbbbbbnnbb bbbbb
pairs HTTP_CALL_RESPONSE_TRAILERS   ............. .....
size HTTP_CALL_RESPONSE_TRAILERS    bbbbbbbbbbbbb bbbbb
add HTTP_REQUEST_HEADERS            bbb.bbbbbbbbb bbbbb
add HTTP_REQUEST_TRAILERS           bbbbb.bbbbbbb bbbbb
add HTTP_RESPONSE_HEADERS           bbbbbb.bbbbbb bbbbb
add HTTP_RESPONSE_TRAILERS          bbbbbbbb.bbbb bbbbb
add GRPC_CALL_INITIAL_METADATA      bbbbbbbbbbbbb bbbbb
add GRPC_CALL_TRAILING_METADATA     bbbbbbbbbbbbb bbbbb
add HTTP_CALL_RESPONSE_HEADERS      bbbbbbbbbbbbb bbbbb
add HTTP_CALL_RESPONSE_TRAILERS     bbbbbbbbbbbbb bbbbb
read HTTP_REQUEST_BODY              ............. .....
write HTTP_REQUEST_BODY             bbbb.bbbbbbbb bbbbb
read HTTP_RESPONSE_BODY             ............. .....
write HTTP_RESPONSE_BODY            bbbbbbb.bbbbb bbbbb
read DOWNSTREAM_DATA                ............. .....
write DOWNSTREAM_DATA               bbbbbbbbbbbbb b.bbb
read UPSTREAM_DATA                  ............. .....
write UPSTREAM_DATA                 bbbbbbbbbbbbb bb.bb
read HTTP_CALL_RESPONSE_BODY        nnnnnnnnn.nnn nnnnn
write HTTP_CALL_RESPONSE_BODY       nnnnnnnnnbnnn nnnnn
read GRPC_CALL_MESSAGE              ............. .....
write GRPC_CALL_MESSAGE             bbbbbbbbbbbbb bbbbb
read VM_CONFIGURATION               ............. .....
write VM_CONFIGURATION              bbbbbbbbbbbbb bbbbb
read PLUGIN_CONFIGURATION           n.nnnnnnnnnnn nnnnn
write PLUGIN_CONFIGURATION          nbnnnnnnnnnnn nnnnn
read FOREIGN_FUNCTION_ARGUMENTS     ............. .....
write FOREIGN_FUNCTION_ARGUMENTS    bbbbbbbbbbbbb bbbbb
set_property                        nnn......n... .....
plugin_name                         ............. .....
request.path                        nnn.nnnnnn.nn nnnnn
get_status                          ............. .....
done                                nnnnnnnnnnnnn nnnnn
send_local_response                 ............. .....
continue HTTP_REQUEST               ............. .....
close HTTP_REQUEST                  ............. .....
continue HTTP_RESPONSE              ............. .....
close HTTP_RESPONSE                 ............. .....
continue DOWNSTREAM                 ............. .....
close DOWNSTREAM                    ............. .....
continue UPSTREAM                   uuuuuuuuuuuuu uuuuu
close UPSTREAM                      ............. .....
"""

SPECIFICATION = """
value HTTP_REQUEST_HEADERS          bbbnbbbbbbnbb bbbbb
pairs HTTP_REQUEST_HEADERS          bbb.bbbbbb.bb bbbbb
size HTTP_REQUEST_HEADERS           bbb.bbbbbb.bb bbbbb
value HTTP_REQUEST_TRAILERS         bbbbbnbbbbnbb bbbbb
pairs HTTP_REQUEST_TRAILERS         bbbbb.bbbb.bb bbbbb
size HTTP_REQUEST_TRAILERS          bbbbb.bbbb.bb bbbbb
value HTTP_RESPONSE_HEADERS         bbbbbbnbbbnbb bbbbb
pairs HTTP_RESPONSE_HEADERS         bbbbbb.bbb.bb bbbbb
size HTTP_RESPONSE_HEADERS          bbbbbb.bbb.bb bbbbb
value HTTP_RESPONSE_TRAILERS        bbbbbbbbnbnbb bbbbb
pairs HTTP_RESPONSE_TRAILERS        bbbbbbbb.b.bb bbbbb
size HTTP_RESPONSE_TRAILERS         bbbbbbbb.b.bb bbbbb
value GRPC_CALL_INITIAL_METADATA    bbbbbbbbbbnbb bbbbb
pairs GRPC_CALL_INITIAL_METADATA    bbbbbbbbbbbbb bbbbb
size GRPC_CALL_INITIAL_METADATA     bbbbbbbbbbbbb bbbbb
value GRPC_CALL_TRAILING_METADATA   bbbbbbbbbbnbb bbbbb
pairs GRPC_CALL_TRAILING_METADATA   bbbbbbbbbbbbb bbbbb
size GRPC_CALL_TRAILING_METADATA    bbbbbbbbbbbbb bbbbb
value HTTP_CALL_RESPONSE_HEADERS    bbbbbbbbbnnbb bbbbb
pairs HTTP_CALL_RESPONSE_HEADERS    bbbbbbbbb.bbb bbbbb
size HTTP_CALL_RESPONSE_HEADERS     bbbbbbbbb.bbb bbbbb
value HTTP_CALL_RESPONSE_TRAILERS   bbbbbbbbbnnbb bbbbb
pairs HTTP_CALL_RESPONSE_TRAILERS   bbbbbbbbb.bbb bbbbb
size HTTP_CALL_RESPONSE_TRAILERS    bbbbbbbbb.bbb bbbbb
add HTTP_REQUEST_HEADERS            bbb.bbbbbbbbb bbbbb
add HTTP_REQUEST_TRAILERS           bbbbb.bbbbbbb bbbbb
add HTTP_RESPONSE_HEADERS           bbbbbb.bbbbbb bbbbb
add HTTP_RESPONSE_TRAILERS          bbbbbbbb.bbbb bbbbb
add GRPC_CALL_INITIAL_METADATA      bbbbbbbbbbbbb bbbbb
add GRPC_CALL_TRAILING_METADATA     bbbbbbbbbbbbb bbbbb
add HTTP_CALL_RESPONSE_HEADERS      bbbbbbbbbbbbb bbbbb
add HTTP_CALL_RESPONSE_TRAILERS     bbbbbbbbbbbbb bbbbb
read HTTP_REQUEST_BODY              nnnn.nnnnnnnn nnnnn
write HTTP_REQUEST_BODY             nnnn.nnnnnnnn nnnnn
read HTTP_RESPONSE_BODY             nnnnnnn.nnnnn nnnnn
write HTTP_RESPONSE_BODY            nnnnnnn.nnnnn nnnnn
read DOWNSTREAM_DATA                nnnnnnnnnnnnn n.nnn
write DOWNSTREAM_DATA               nnnnnnnnnnnnn n.nnn
read UPSTREAM_DATA                  nnnnnnnnnnnnn nn.nn
write UPSTREAM_DATA                 nnnnnnnnnnnnn nn.nn
read HTTP_CALL_RESPONSE_BODY        nnnnnnnnn.nnn nnnnn
write HTTP_CALL_RESPONSE_BODY       nnnnnnnnnbnnn nnnnn
read GRPC_CALL_MESSAGE              nnnnnnnnnnnnn nnnnn
write GRPC_CALL_MESSAGE             nnnnnnnnnnnnn nnnnn
read VM_CONFIGURATION               ............. .....
write VM_CONFIGURATION              bbbbbbbbbbbbb bbbbb
read PLUGIN_CONFIGURATION           n.nnnnnnnnnnn nnnnn
write PLUGIN_CONFIGURATION          nbnnnnnnnnnnn nnnnn
read FOREIGN_FUNCTION_ARGUMENTS     nnnnnnnnnnnnn nnnnn
write FOREIGN_FUNCTION_ARGUMENTS    nnnnnnnnnnnnn nnnnn
set_property                        nnn......n... .....
plugin_name                         ............. .....
request.path                        nnn......n... nnnnn
get_status                          ............. .....
done                                nnnnnnnnnnnnn nnnnn
send_local_response                 bbb......b... bbbbb
continue HTTP_REQUEST               bbb......b... bbbbb
close HTTP_REQUEST                  bbb......b... bbbbb
continue HTTP_RESPONSE              bbb......b... bbbbb
close HTTP_RESPONSE                 bbb......b... bbbbb
continue DOWNSTREAM                 bbbbbbbbbbbbb .....
close DOWNSTREAM                    bbbbbbbbbbbbb .....
continue UPSTREAM                   uuuuuuuuuuuuu uuuuu
close UPSTREAM                      bbbbbbbbbbbbb .....
"""


@pytest.mark.parametrize("quirks", [True, False], ids=["envoy", "specification"])
def test_every_call_in_every_phase(quirks: bool) -> None:
    assert matrix(quirks=quirks).splitlines() == (ENVOY if quirks else SPECIFICATION).strip("\n").splitlines()
