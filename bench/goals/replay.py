"""How many HTTP streams a second the host puts through a filter, without Envoy."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure, at_least
from proxy_wasm_host import Host, Module

if TYPE_CHECKING:
    from bench.workshop import Workshop

STREAMS = 3_000
REQUEST = [
    (":method", "GET"),
    (":scheme", "https"),
    (":path", "/api/v2/users/7?page=2"),
    (":authority", "shop.example.com"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
    ("accept", "application/json"),
    ("accept-language", "en-US,en;q=0.5"),
    ("cookie", "session=5f2b8a0c; theme=dark"),
]
RESPONSE = [
    (":status", "200"),
    ("content-type", "application/json"),
    ("content-length", "27"),
    ("server", "example"),
    ("date", "Mon, 23 Nov 2026 10:00:00 GMT"),
]
BODY = [b'{"data":[],"next":null,"n":0}']


def measure(workshop: Workshop) -> list[Figure]:
    rates = [_rate(workshop) for _ in range(workshop.rounds(5))]
    note = f"{min(rates):,.0f} to {max(rates):,.0f}"
    return [Figure("host replay of a header filter", median(rates), "streams/s", at_least(1500), note)]


def _rate(workshop: Workshop) -> float:
    module = workshop.python("headers").module
    if module is None:
        raise AssertionError("a built subject has its module")
    with Host() as host:
        plugin = host.vm(Module.load(module)).plugin(name="bench")
        began = time.perf_counter()
        for _ in range(STREAMS):
            with plugin.http_stream() as stream:
                stream.request(REQUEST)
                stream.response(RESPONSE, BODY)
        return STREAMS / (time.perf_counter() - began)
