"""What single operations cost a filter inside Envoy: timed by the filter itself, many in one request."""

from __future__ import annotations

import urllib.request
from statistics import median
from typing import TYPE_CHECKING

from bench.figures import Figure
from bench.gateway import Gateway

if TYPE_CHECKING:
    from bench.workshop import Workshop

TIMES = 20_000
ROUNDS = 20
LOOP = "nothing"
NAMES = {
    "function": "call of a Python function",
    "callback": "callback that does nothing",
    "stream": "stream: context, two such callbacks, end",
    "get_header": "read a header",
    "get_missing_header": "read a header that is not there",
    "set_header": "replace a header",
    "all_headers": "read all request headers",
    "property": "read a property",
}


def measure(workshop: Workshop) -> list[Figure]:
    with Gateway(workshop.python("operations"), path=f"/{LOOP}/1") as gateway:
        loop = _nanoseconds(gateway, LOOP, workshop)
        return [
            Figure(f"in Envoy: {title}", _nanoseconds(gateway, name, workshop) - loop, "ns")
            for name, title in NAMES.items()
        ]


def _nanoseconds(gateway: Gateway, operation: str, workshop: Workshop) -> float:
    url = gateway.envoy.url(f"/{operation}/{TIMES}")
    times = []
    for _ in range(workshop.rounds(ROUNDS)):
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - our own Envoy
            times.append(int(answer.read()) / TIMES)
    return median(times)
