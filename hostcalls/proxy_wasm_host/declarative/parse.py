"""From a YAML document to tests."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Final

from proxy_wasm_host._callouts import CallFailure, GrpcReply, HttpReply
from proxy_wasm_host.capture import Exchange
from proxy_wasm_host.declarative import messages
from proxy_wasm_host.declarative.document import load_document
from proxy_wasm_host.declarative.expect import expectations, no_failure
from proxy_wasm_host.declarative.model import Case, Reply, Setup, Step

if TYPE_CHECKING:
    from pathlib import Path

    from proxy_wasm_host.declarative.document import Node

_SETUP: Final = ("configuration", "vm_configuration", "root_id", "clock", "quirks", "properties", "callouts")
_STEP: Final = ("request", "response", "capture", "tcp", "chunk_size", "repeat", "advance", "expect")
_FILE: Final = ("filter", *_SETUP, "tests")
_TEST: Final = ("name", *_SETUP, *_STEP, "steps", "refused")
_REPLY: Final = (
    "when", "status", "headers", "body", "trailers", "after", "fails", "silent", "grpc_status", "grpc_message",
)  # fmt: skip


def load_tests(path: str | Path) -> list[Case]:
    """Read a test file. Raises `TestFileError`, which names file, line and path."""
    root = load_document(path)
    fields = root.fields(_FILE)
    if "tests" not in fields:
        raise root.error("there are no tests in it", "add a list called `tests`")
    common = _setup(fields, Setup())
    target = str(messages.beside(fields["filter"])) if "filter" in fields else None
    cases = [_case(node, common, target) for node in fields["tests"].items()]
    seen: set[str] = set()
    for case in cases:
        if case.name in seen:
            raise case.node.error(f"two tests are called '{case.name}'")
        seen.add(case.name)
    return cases


def _case(node: Node, common: Setup, target: str | None) -> Case:
    fields = node.fields(_TEST)
    if "name" not in fields:
        raise node.error("a test needs a name", "add `name`")
    setup = _setup(fields, common)
    refused = None
    if "refused" in fields:
        refused = fields["refused"].text()
    if "steps" in fields:
        beside = [key for key in _STEP if key in fields]
        if beside:
            raise fields[beside[0]].error(
                f"`steps` and `{beside[0]}` exclude each other", "move it into a step"
            )
        steps = tuple(_step(step, step.fields((*_STEP, "properties"))) for step in fields["steps"].items())
    elif refused is None:
        steps = (_step(node, {key: value for key, value in fields.items() if key in _STEP}),)
    else:
        steps = ()
    return Case(fields["name"].text(), node, target, setup, steps, refused)


def _setup(fields: dict[str, Node], base: Setup) -> Setup:
    changes: dict[str, Any] = {}
    for key in ("configuration", "vm_configuration"):
        if key in fields:
            changes[key] = _configuration(fields[key])
    if "root_id" in fields:
        changes["root_id"] = fields["root_id"].text()
    if "clock" in fields:
        changes["clock"] = _moment(fields["clock"])
    if "quirks" in fields:
        changes["quirks"] = fields["quirks"].boolean()
    if "properties" in fields:
        changes["properties"] = base.properties | _properties(fields["properties"])
    if "callouts" in fields:
        found = {
            name: tuple(_reply(reply) for reply in replies.one_or_more())
            for name, replies in fields["callouts"].mapping().items()
        }
        changes["callouts"] = base.callouts | found
    return replace(base, **changes)


def _configuration(node: Node) -> bytes:
    """Read a configuration: a text as it is, anything else as JSON."""
    if node.is_mapping or node.is_list:
        return json.dumps(node.plain()).encode()
    return node.text().encode()


def _moment(node: Node) -> float:
    value = node.value
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC).timestamp()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise node.error(
        f"a time is expected, found {node.kind}", "write 2024-01-31T12:00:00Z or seconds since 1970"
    )


def _properties(node: Node) -> dict[str, Any]:
    return {path: value.plain() for path, value in node.mapping().items()}


def _reply(node: Node) -> Reply:
    fields = node.fields(_REPLY)
    when = fields["when"].fields(("path", "method")) if "when" in fields else {}
    path = when["path"].text() if "path" in when else None
    method = when["method"].text() if "method" in when else None
    after = fields["after"].number() if "after" in fields else 0.0
    if "silent" in fields and fields["silent"].boolean():
        return Reply(None, path, method)
    if "fails" in fields and fields["fails"].boolean():
        return Reply(CallFailure(after), path, method)
    content = messages.content(fields["body"]) if "body" in fields else b""
    if "grpc_status" in fields:
        text = fields["grpc_message"].text() if "grpc_message" in fields else ""
        return Reply(GrpcReply(content, fields["grpc_status"].integer(), text, after), path, method)
    answer = HttpReply(
        status=fields["status"].integer(100) if "status" in fields else 200,
        body=content,
        headers=messages.pairs(fields["headers"]) if "headers" in fields else (),
        trailers=messages.pairs(fields["trailers"]) if "trailers" in fields else None,
        after=after,
    )
    return Reply(answer, path, method)


def _step(node: Node, fields: dict[str, Node]) -> Step:
    sources = [key for key in ("capture", "tcp", "request", "response") if key in fields]
    if len(sources) > 1 and sources != ["request", "response"]:
        raise fields[sources[1]].error(f"`{sources[0]}` and `{sources[1]}` exclude each other")
    if "capture" in fields:
        exchanges = messages.captured(fields["capture"])
    else:
        exchanges = (Exchange(messages.request(fields.get("request")), _response(fields), source=node.where),)
    repeat = fields["repeat"].integer(1) if "repeat" in fields else 1
    wanted = tuple(expectations(fields["expect"])) if "expect" in fields else ()
    if "expect" not in fields or "failure" not in fields["expect"].mapping():
        wanted = (no_failure(node), *wanted)
    return Step(
        exchanges=exchanges * repeat,
        expectations=wanted,
        advance=fields["advance"].number() if "advance" in fields else 0.0,
        properties=_properties(fields["properties"]) if "properties" in fields else {},
        chunk_size=fields["chunk_size"].integer(1) if "chunk_size" in fields else None,
        conversation=tuple(_said(item) for item in fields["tcp"].items()) if "tcp" in fields else (),
    )


def _said(node: Node) -> tuple[str, bytes]:
    """Read one turn of a TCP conversation: `{client: DATA}` or `{upstream: DATA}`."""
    turn = node.fields(("client", "upstream"))
    if len(turn) != 1:
        raise node.error("one side speaks at a time", "write {client: DATA} or {upstream: DATA}")
    ((side, data),) = turn.items()
    return side, messages.content(data)


def _response(fields: dict[str, Node]) -> Any:
    """Read the response; `response: null` is an upstream that never answers."""
    node = fields.get("response")
    return None if node is not None and node.is_null else messages.response(node)
