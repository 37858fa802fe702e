"""Recorded HTTP traffic: HAR 1.2, Envoy tap output and the project's own packed capture, read into one type.

    for exchange in iter_capture("traffic.har"):
        print(exchange.method, exchange.path, exchange.status)

`docs/captures.md` describes the formats, what is read from each, and the layout of the packed capture.
"""

from __future__ import annotations

from proxy_wasm_host.capture.errors import CaptureError, NoRequestError
from proxy_wasm_host.capture.exchange import Exchange, Headers, Message
from proxy_wasm_host.capture.files import iter_capture, load_capture, save_capture
from proxy_wasm_host.capture.packed import PackedWriter

__all__ = [
    "CaptureError",
    "Exchange",
    "Headers",
    "Message",
    "NoRequestError",
    "PackedWriter",
    "iter_capture",
    "load_capture",
    "save_capture",
]
