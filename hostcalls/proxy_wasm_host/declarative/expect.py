"""What must hold: expectations as test files write them, and the checks they become."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from proxy_wasm_host._abi import Action, LogLevel
from proxy_wasm_host.declarative.messages import BODY_FORMS, decoded, pattern
from proxy_wasm_host.declarative.model import Expectation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from proxy_wasm_host._callouts import HttpCall
    from proxy_wasm_host.capture import Message
    from proxy_wasm_host.declarative.document import Node
    from proxy_wasm_host.declarative.model import Check
    from proxy_wasm_host.declarative.run import Ran

KEYS: Final = (
    "upstream",
    "client",
    "local_response",
    "actions",
    "logs",
    "no_logs",
    "metrics",
    "calls",
    "failure",
)
_LONGEST: Final = 200
_ABSENT: Final = object()


def expectations(node: Node) -> Iterator[Expectation]:
    """Read an `expect` mapping."""
    for name, wanted in node.fields(KEYS).items():
        yield from _READERS[name](wanted)


def no_failure(node: Node) -> Expectation:
    """Expect that a stream did not fail, which holds wherever `failure` says nothing."""
    return Expectation(node, lambda ran: ran.outcome.failure, lambda found: found)


def _upstream(node: Node) -> Iterator[Expectation]:
    return _side(node, "upstream")


def _client(node: Node) -> Iterator[Expectation]:
    return _side(node, "client")


def _side(node: Node, side: str) -> Iterator[Expectation]:
    def look(ran: Ran) -> Message | None:
        found: Message | None = getattr(ran.outcome, side)
        return found

    if node.is_null:
        yield Expectation(
            node, look, lambda found: None if found is None else "got a message, expected nothing"
        )
        return
    known = (
        ("status", "headers", "body", "trailers", "chunks")
        if side == "client"
        else (
            "method",
            "path",
            "authority",
            "headers",
            "body",
            "trailers",
            "chunks",
        )
    )
    fields = node.fields(known)
    for name in ("status", "method", "path", "authority"):
        if name in fields:
            yield Expectation(fields[name], look, _there(_header(f":{name}".encode(), _value(fields[name]))))
    for part in ("headers", "trailers"):
        for name, wanted in fields[part].mapping().items() if part in fields else ():
            yield Expectation(wanted, look, _there(_header(name.lower().encode(), _value(wanted), part)))
    if "body" in fields:
        check = body(fields["body"])
        yield Expectation(fields["body"], look, _there(lambda found: check(found.content)))
    if "chunks" in fields:
        sizes = [item.integer() for item in fields["chunks"].items()]
        yield Expectation(
            fields["chunks"], look, _there(lambda found: _equal([len(chunk) for chunk in found.body], sizes))
        )


def _there(check: Check) -> Check:
    return lambda found: "nothing came" if found is None else check(found)


def _header(name: bytes, check: Check, part: str = "headers") -> Check:
    return lambda message: check([value for key, value in getattr(message, part) if key == name])


def _value(node: Node) -> Check:
    """Check the list of a header's values."""
    if node.is_null:
        return lambda found: f"is there: {_shown_all(found)}" if found else None
    if node.is_mapping:
        return _value_rules(node)
    wanted = [item.text().encode() for item in node.one_or_more()]

    def check(found: list[bytes]) -> str | None:
        if found == wanted:
            return None
        return f"expected {_shown_all(wanted)}, got {_shown_all(found)}"

    return check


def _value_rules(node: Node) -> Check:
    fields = node.fields(("contains", "matches", "present"))
    rules = [_text_rule(rule, fields[rule]) for rule in ("contains", "matches") if rule in fields]
    wanted = fields["present"].boolean() if "present" in fields else True

    def check(found: list[bytes]) -> str | None:
        if bool(found) != wanted:
            return "is missing" if wanted else f"is there: {_shown_all(found)}"
        for rule in rules:
            problems = [rule(value.decode("utf-8", "replace")) for value in found]
            if problems and all(problems):
                return problems[0]
        return None

    return check


def _text_rule(rule: str, node: Node) -> Callable[[str], str | None]:
    if rule == "matches":
        wanted = pattern(node)
        return lambda text: (
            None if wanted.search(text) else f"{_shown(text)} does not match {wanted.pattern!r}"
        )
    part = node.text()
    return lambda text: None if part in text else f"{_shown(text)} does not contain {part!r}"


def body(node: Node) -> Check:
    """Check a body: a text it must equal, or a mapping of rules that must all hold."""
    if not node.is_mapping:
        return _equal_bytes(node.text().encode())
    fields = node.fields((*BODY_FORMS, "contains", "lacks", "matches", "size"))
    checks = [_body_rule(rule, found) for rule, found in fields.items()]

    def check(found: bytes) -> str | None:
        return next((problem for rule in checks if (problem := rule(found))), None)

    return check


def _body_rule(rule: str, node: Node) -> Check:
    if rule == "json":
        return _json(node.plain())
    if rule in BODY_FORMS:
        return _equal_bytes(decoded(rule, node))
    if rule == "size":
        size = node.integer()
        return lambda found: _equal(len(found), size)
    if rule == "lacks":
        return _lacks([item.text().encode() for item in node.one_or_more()])
    rules = [_text_rule(rule, item) for item in node.one_or_more()]
    return lambda found: next(
        (problem for check in rules if (problem := check(found.decode("utf-8", "replace")))), None
    )


def _lacks(parts: list[bytes]) -> Check:
    return lambda found: next((f"contains {_shown(part)}" for part in parts if part in found), None)


def _json(wanted: Any) -> Check:
    def check(found: bytes) -> str | None:
        try:
            return _equal(json.loads(found), wanted)
        except ValueError as error:
            return f"{_shown(found)} is not JSON: {error}"

    return check


def _equal_bytes(wanted: bytes) -> Check:
    return lambda found: None if found == wanted else f"expected {_shown(wanted)}, got {_shown(found)}"


def _equals(wanted: object) -> Check:
    return lambda found: _equal(found, wanted)


def _equal(found: object, wanted: object) -> str | None:
    return None if found == wanted else f"expected {wanted!r}, got {found!r}"


def _number(node: Node) -> Check:
    wanted = node.value
    if type(wanted) is not int:
        raise node.error(f"a whole number is expected, found {node.kind}")
    return lambda found: _equal(found, wanted)


def _metrics(node: Node) -> Iterator[Expectation]:
    for name, wanted in node.mapping().items():

        def look(moved: dict[str, int], name: str = name) -> int:
            return moved.get(name, 0)

        yield Expectation(wanted, look, _number(wanted), after_all=True)


def _local_response(node: Node) -> Iterator[Expectation]:
    def look(ran: Ran) -> Any:
        return ran.outcome.local_response

    if not node.is_mapping:
        wanted = node.boolean()
        says = "answered by itself" if not wanted else "did not answer by itself"
        yield Expectation(
            node, look, lambda found: None if (found is not None) == wanted else f"the filter {says}"
        )
        return
    fields = node.fields(("status", "body", "details", "grpc_status"))

    def there(check: Check) -> Check:
        return lambda found: "the filter did not answer by itself" if found is None else check(found)

    for name in ("status", "grpc_status"):
        if name in fields:
            yield Expectation(fields[name], look, there(_attribute(name, _number(fields[name]))))
    if "details" in fields:
        text = fields["details"].text()
        yield Expectation(fields["details"], look, there(lambda found: _equal(found.details, text)))
    if "body" in fields:
        yield Expectation(fields["body"], look, there(_attribute("body", body(fields["body"]))))


def _attribute(name: str, check: Check) -> Check:
    return lambda found: check(getattr(found, name))


def _every_action(node: Node) -> Iterator[Expectation]:
    for name, wanted in node.mapping().items():
        yield Expectation(wanted, _actions_of(name), _actions(wanted))


def _actions_of(name: str) -> Callable[[Ran], list[int]]:
    callback = name if name.startswith("proxy_on_") else f"proxy_on_{name.removeprefix('on_')}"
    return lambda ran: [action for found, action in ran.outcome.actions if found == callback]


def _actions(node: Node) -> Check:
    names = {action.name.lower(): int(action) for action in Action}
    wanted = []
    for item in node.one_or_more():
        if item.text().lower() not in names:
            raise item.error(f"no action '{item.text()}'", f"known: {', '.join(names)}")
        wanted.append(item.text().lower())

    def check(found: list[int]) -> str | None:
        told = [
            next((name for name, value in names.items() if value == action), str(action)) for action in found
        ]
        expected = wanted if node.is_list else wanted * max(len(told), 1)
        return _equal(told, expected)

    return check


def _line(node: Node) -> Callable[[tuple[LogLevel, str]], bool]:
    fields = node.fields(("level", "contains", "matches")) if node.is_mapping else {"contains": node}
    rules = [_text_rule(rule, fields[rule]) for rule in ("contains", "matches") if rule in fields]
    level: LogLevel | None = None
    if "level" in fields:
        names = {found.name.lower(): found for found in LogLevel}
        level = names.get(fields["level"].text().lower())
        if level is None:
            raise fields["level"].error(
                f"no log level '{fields['level'].text()}'", f"known: {', '.join(names)}"
            )
    return lambda line: level in (None, line[0]) and not any(rule(line[1]) for rule in rules)


def _logs(node: Node) -> Iterator[Expectation]:
    for line in node.items():
        yield Expectation(line, lambda ran: ran.outcome.logs, _logged(line))


def _no_logs(node: Node) -> Iterator[Expectation]:
    for line in node.items():
        yield Expectation(line, lambda ran: ran.outcome.logs, _not_logged(line))


def _logged(node: Node) -> Check:
    fits = _line(node)

    def check(lines: tuple[tuple[LogLevel, str], ...]) -> str | None:
        if any(map(fits, lines)):
            return None
        said = "".join(f"\n    {level.name.lower()}: {_shown(text)}" for level, text in lines) or " nothing"
        return f"no such log line; the log has{said}"

    return check


def _not_logged(node: Node) -> Check:
    fits = _line(node)
    return lambda lines: next((f"was logged: {_shown(line[1])}" for line in lines if fits(line)), None)


def _failure(node: Node) -> Iterator[Expectation]:
    if node.is_null:
        yield no_failure(node)
        return
    part = node.text()

    def check(found: str | None) -> str | None:
        return (
            None
            if found is not None and part in found
            else f"expected a failure with {part!r}, got {found!r}"
        )

    yield Expectation(node, lambda ran: ran.outcome.failure, check)


def _calls(node: Node) -> Iterator[Expectation]:
    items = node.items()
    yield Expectation(node, lambda ran: ran.calls, lambda found: _count(found, len(items)))
    for at, item in enumerate(items):
        fields = item.fields(("cluster", "method", "path", "headers", "body"))

        def look(ran: Ran, at: int = at) -> HttpCall | None:
            return ran.calls[at] if at < len(ran.calls) else None

        if "cluster" in fields:
            check = _equals(fields["cluster"].text())
            yield Expectation(fields["cluster"], look, _made(_attribute("cluster", check)))
        for key in ("method", "path"):
            if key in fields:
                yield Expectation(fields[key], look, _made(_call_header(f":{key}", _value(fields[key]))))
        for name, wanted in fields["headers"].mapping().items() if "headers" in fields else ():
            yield Expectation(wanted, look, _made(_call_header(name, _value(wanted))))
        if "body" in fields:
            yield Expectation(fields["body"], look, _made(_attribute("body", body(fields["body"]))))


def _made(check: Check) -> Check:
    return lambda call: None if call is None else check(call)


def _call_header(name: str, check: Check) -> Check:
    return lambda call: check(call.headers.get_all(name))


def _count(calls: list[Any], wanted: int) -> str | None:
    made = "".join(f"\n    {call.cluster} {call.method} {call.path}" for call in calls)
    return None if len(calls) == wanted else f"expected {wanted} call-outs, got {len(calls)}{made}"


def _shown_all(values: list[bytes]) -> str:
    return ", ".join(map(_shown, values)) or "none"


def _shown(value: bytes | str) -> str:
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
    return repr(text) if len(text) <= _LONGEST else f"{text[:_LONGEST]!r}... ({len(text)} in all)"


_READERS: Final[dict[str, Callable[[Node], Iterator[Expectation]]]] = {
    "upstream": _upstream,
    "client": _client,
    "local_response": _local_response,
    "actions": _every_action,
    "logs": _logs,
    "no_logs": _no_logs,
    "metrics": _metrics,
    "calls": _calls,
    "failure": _failure,
}
