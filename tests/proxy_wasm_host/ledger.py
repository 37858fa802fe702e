"""A module that makes the same list of calls in every callback and logs one line of statuses.

It runs in the host and in a real Envoy alike, so their answers can be compared digit by digit. Nothing it does ends or changes
the stream for others.
"""

from __future__ import annotations

import re

from proxy_wasm_host import BufferType, MapType
from proxy_wasm_host._abi import CALLBACKS

PROPERTIES = [
    "plugin_name", "plugin_root_id", "plugin_vm_id", "connection_id", "nothing.here",
    "request", "request.path", "request.url_path", "request.host", "request.method", "request.scheme",
    "request.query", "request.id", "request.useragent", "request.referer", "request.protocol",
    "request.time", "request.duration", "request.size", "request.total_size", "request.headers",
    "request.headers.x-a", "request.headers.none", "request.headers_bytes",
    "response", "response.code", "response.code_details", "response.flags", "response.size",
    "response.total_size", "response.grpc_status", "response.headers", "response.headers.x-b",
    "response.trailers.x-t", "response.headers_bytes",
    "source.address", "source.port", "destination.address", "destination.port",
    "upstream.address", "upstream.port", "upstream.local_address", "upstream.transport_failure_reason",
    "connection.id", "connection.mtls", "connection.requested_server_name", "connection.tls_version",
    "xds.cluster_name", "xds.route_name", "xds.listener_direction", "xds.node.id", "xds.virtual_host_name",
    "xds.filter_chain_name", "cluster_name", "route_name", "listener_direction", "node.id", "node.cluster",
    "metadata", "filter_state.x",
]  # fmt: skip
ADDRESS, LENGTH = 8, 12
LINE = 1024
TEXT = 4096
HEAP = 65536
SKIPPED = {"proxy_validate_configuration"}
ANSWER_ONE = {"proxy_on_vm_start", "proxy_on_configure", "proxy_on_done"}
CLUSTER = b"auth"
HEADERS = (
    b"\3\0\0\0" + b"\7\0\0\0\3\0\0\0" + b"\5\0\0\0\1\0\0\0" + b"\12\0\0\0\1\0\0\0"
    b":method\0GET\0:path\0/\0:authority\0a\0"
)


class Text:
    """Strings in the module's memory."""

    def __init__(self) -> None:
        self.data = b""

    def __call__(self, value: bytes) -> str:
        """Return pointer and size, as two constants."""
        start = TEXT + len(self.data)
        self.data += value
        return f"(i32.const {start}) (i32.const {len(value)})"


def calls(text: Text) -> dict[str, str]:
    """Return every call by name, as an expression that gives its status."""
    out = f"(i32.const {ADDRESS}) (i32.const {LENGTH})"
    x, none = text(b"x"), text(b"x-none")
    found: dict[str, str] = {}
    for kind in [*MapType, 8]:
        name = getattr(kind, "name", "unknown map")
        found[f"value {name}"] = f"(call $get_header_map_value (i32.const {int(kind)}) {none} {out})"
        found[f"pairs {name}"] = f"(call $get_header_map_pairs (i32.const {int(kind)}) {out})"
        found[f"size {name}"] = f"(call $get_header_map_size (i32.const {int(kind)}) (i32.const {ADDRESS}))"
        found[f"replace {name}"] = f"(call $replace_header_map_value (i32.const {int(kind)}) {x} {x})"
        found[f"remove {name}"] = f"(call $remove_header_map_value (i32.const {int(kind)}) {none})"
    for buffer in [*BufferType, 9]:
        name = getattr(buffer, "name", "unknown buffer")
        kind = int(buffer)
        found[f"read {name}"] = (
            f"(call $get_buffer_bytes (i32.const {kind}) (i32.const 0) (i32.const 9) {out})"
        )
        found[f"past {name}"] = (
            f"(call $get_buffer_bytes (i32.const {kind}) (i32.const 99) (i32.const 9) {out})"
        )
        found[f"over {name}"] = (
            f"(call $get_buffer_bytes (i32.const {kind}) (i32.const 9) (i32.const -1) {out})"
        )
        found[f"status {name}"] = f"(call $get_buffer_status (i32.const {kind}) {out})"
        found[f"inject {name}"] = (
            f"(call $set_buffer_bytes (i32.const {kind}) (i32.const 1) (i32.const 1) {x})"
        )
    found["set_property"] = f"(call $set_property {x} {x})"
    found["own property"] = f"(call $get_property {x} {out})"
    for path in PROPERTIES:
        name = path.replace(".", "\0").encode()
        found[f"property {path}"] = f"(call $get_property {text(name)} {out})"
    found["get_status"] = f"(call $get_status (i32.const 16) {out})"
    found["done"] = "(call $done)"
    found["effective context"] = "(call $set_effective_context (i32.const 99999))"
    found["bad pointer"] = f"(call $set_property (i32.const -9) (i32.const 9) {x})"
    return found


def statuses() -> list[str]:
    """Return the names of the calls, in the order of the digits."""
    return list(calls(Text()))


def ledger_wat() -> str:
    """Return the module's text."""
    text = Text()
    made = calls(text)
    cluster, headers = text(CLUSTER), text(HEADERS)
    signatures = {
        "log": "i32 i32 i32", "get_header_map_value": "i32 i32 i32 i32 i32",
        "get_header_map_pairs": "i32 i32 i32", "get_header_map_size": "i32 i32",
        "replace_header_map_value": "i32 i32 i32 i32 i32", "remove_header_map_value": "i32 i32 i32",
        "get_buffer_bytes": "i32 i32 i32 i32 i32", "get_buffer_status": "i32 i32 i32",
        "set_buffer_bytes": "i32 i32 i32 i32 i32", "set_property": "i32 i32 i32 i32",
        "get_property": "i32 i32 i32 i32", "get_status": "i32 i32 i32", "done": "",
        "set_effective_context": "i32", "set_tick_period_milliseconds": "i32",
        "http_call": "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32",
    }  # fmt: skip
    imports = "".join(
        f'(import "env" "proxy_{name}" (func ${name} (param {kinds}) (result i32)))'
        for name, kinds in signatures.items()
    )
    stores = "".join(
        f"(i32.store8 (i32.const {LINE + 64 + index}) (i32.add (i32.const 48) {call}))"
        for index, call in enumerate(made.values())
    )
    exported = []
    for name, signature in CALLBACKS.items():
        if name in SKIPPED:
            continue
        label = f"{name} ".encode().rjust(64)
        parameters, results = signature.split(":")
        kinds = " ".join("i32" for _ in parameters)
        extra = ""
        if name == "proxy_on_configure":
            extra = "(drop (call $set_tick_period_milliseconds (i32.const 50)))"
        elif name == "proxy_on_tick":
            extra = f"""(drop (call $set_tick_period_milliseconds (i32.const 0)))
              (drop (call $http_call {cluster} {headers} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
                (i32.const 1000) (i32.const {ADDRESS})))"""
        answer = f"(i32.const {int(name in ANSWER_ONE)})" if results else ""
        exported.append(
            f"""(func (export "{name}") (param {kinds}) {"(result i32)" if results else ""}
              {extra} (call $note {text(label).split(") ")[0]})) {answer})"""
        )
    data = "".join(f"\\{byte:02x}" for byte in text.data)
    return f"""(module {imports}
      (memory (export "memory") 32) (global $top (mut i32) (i32.const {HEAP}))
      (data (i32.const {TEXT}) "{data}")
      (func (export "proxy_abi_version_0_2_1"))
      (func (export "malloc") (param $size i32) (result i32)
        (global.get $top) (global.set $top (i32.add (global.get $top) (local.get $size))))
      (func $note (param $label i32)
        (global.set $top (i32.const {HEAP}))
        {stores}
        (memory.copy (i32.const {LINE}) (local.get $label) (i32.const 64))
        (drop (call $log (i32.const 2) (i32.const {LINE}) (i32.const {64 + len(made)}))))
      {" ".join(exported)})"""


def read_line(message: str) -> tuple[str, str] | None:
    """Return callback and digits of a log line of the module, None for other lines."""
    match = re.search(r"(proxy_on_\w+) ([0-<]+)$", message)
    return None if match is None else (match[1], match[2])


def explain(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Return a line for every call that was answered differently."""
    names = statuses()
    found = []
    for callback in sorted(ours.keys() | theirs.keys()):
        if callback not in ours or callback not in theirs:
            found.append(f"{callback}: only {'here' if callback in ours else 'there'}")
            continue
        for name, one, other in zip(names, ours[callback], theirs[callback], strict=True):
            if one != other:
                found.append(f"{callback}: {name}: {ord(one) - 48} here, {ord(other) - 48} there")
    return found
