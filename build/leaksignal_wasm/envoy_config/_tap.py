"""Envoy's tap filter: it writes what passes to files, one file a stream."""

from __future__ import annotations

import enum

from leaksignal_wasm.envoy_config._typed import Config, named


class TapFormat(enum.StrEnum):
    """How a trace is written (envoy/config/tap/v3/common.proto, OutputSink.Format)."""

    JSON_BODY_AS_BYTES = "JSON_BODY_AS_BYTES"
    JSON_BODY_AS_STRING = "JSON_BODY_AS_STRING"
    PROTO_BINARY = "PROTO_BINARY"
    PROTO_BINARY_LENGTH_DELIMITED = "PROTO_BINARY_LENGTH_DELIMITED"


def http_tap(
    path_prefix: str,
    *,
    tap_format: TapFormat = TapFormat.PROTO_BINARY_LENGTH_DELIMITED,
    streaming: bool = False,
    max_body: int = 16 << 20,
) -> Config:
    """Return the HTTP filter that writes each stream to `path_prefix`_ID.

    Buffered traces keep up to `max_body` bytes of each body and mark what they cut; streamed ones are written
    chunk by chunk as they pass, so they show how bodies were split. Streams of a tap that is streamed must be
    length-delimited to be told apart.
    """
    output: Config = {
        "sinks": [{"format": tap_format.value, "file_per_tap": {"path_prefix": path_prefix}}],
        "max_buffered_rx_bytes": max_body,
        "max_buffered_tx_bytes": max_body,
    }
    if streaming:
        output["streaming"] = True
    return named(
        "envoy.filters.http.tap",
        "envoy.extensions.filters.http.tap.v3.Tap",
        record_headers_received_time=True,  # told by buffered traces only
        common_config={"static_config": {"match": {"any_match": True}, "output_config": output}},
    )
