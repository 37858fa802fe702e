"""The few value shapes that recur all over Envoy's API."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

Config = dict[str, Any]
"""A part of an Envoy configuration: what its JSON or YAML form would parse to."""

Payload = str | bytes | Mapping[str, Any]
"""What a plugin may be configured with: text, bytes, or a JSON object."""


def typed(type_name: str, /, **fields: Any) -> Config:
    """Return a `google.protobuf.Any` of the message `type_name`, without the fields that are None.

    >>> typed("envoy.extensions.filters.http.router.v3.Router")
    {'@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router'}
    """
    return {"@type": f"type.googleapis.com/{type_name}", **present(**fields)}


def named(name: str, type_name: str, /, **fields: Any) -> Config:
    """Return an extension as filter lists, access logs and transport sockets want it."""
    return {"name": name, "typed_config": typed(type_name, **fields)}


def present(**fields: Any) -> Config:
    """Return the fields that are not None."""
    return {key: value for key, value in fields.items() if value is not None}


def payload(value: Payload) -> Config:
    """Return a plugin or VM configuration whose bytes reach the module as they are.

    Text and bytes are handed over without their wrapper. An object is turned into JSON text here rather than
    sent as a `Struct`: Envoy would print a Struct with its keys sorted and every number as a double.
    """
    if isinstance(value, bytes):
        return typed("google.protobuf.BytesValue", value=base64.b64encode(value).decode("ascii"))
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return typed("google.protobuf.StringValue", value=value)


def seconds(value: float) -> str:
    """Return a `google.protobuf.Duration` of so many seconds."""
    return f"{value:.9f}".rstrip("0").rstrip(".") + "s"


def socket_address(address: str, port: int) -> Config:
    """Return an `Address` for TCP."""
    return {"socket_address": {"address": address, "port_value": port}}
