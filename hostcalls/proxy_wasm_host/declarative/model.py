"""A test, parsed: what is set up, what is sent, what is expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_wasm_host._callouts import CallFailure, GrpcReply, HttpReply
    from proxy_wasm_host.capture import Exchange
    from proxy_wasm_host.declarative.document import Node

    Check = Callable[[Any], str | None]
    """Looks at a value; returns what is wrong with it, or None."""


@dataclass(frozen=True)
class Reply:
    """A scripted answer to call-outs of a cluster; the first whose `path` and `method` fit is given.

    `answer` None leaves the call unanswered, so that it times out.
    """

    answer: HttpReply | GrpcReply | CallFailure | None
    path: str | None = None
    method: str | None = None


@dataclass(frozen=True)
class Expectation:
    """One thing that must hold: where it was written, what it looks at, and the check."""

    node: Node
    look: Callable[[Any], Any]
    check: Check
    after_all: bool = False
    """Looks at how the metrics moved in the whole step, not at each stream."""


@dataclass(frozen=True)
class Step:
    """Exchanges sent one after the other, and what must hold for each.

    With a `conversation` they are TCP connections instead, in which `client` and `upstream` send so in turn.
    """

    exchanges: tuple[Exchange, ...]
    expectations: tuple[Expectation, ...]
    advance: float = 0.0
    chunk_size: int | None = None
    properties: dict[str, Any] = field(default_factory=dict)
    conversation: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True)
class Setup:
    """What a test starts from."""

    configuration: bytes = b""
    vm_configuration: bytes = b""
    root_id: str = ""
    clock: float = 1_700_000_000.0
    quirks: bool = True
    properties: dict[str, Any] = field(default_factory=dict)
    callouts: dict[str, tuple[Reply, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One test. `filter` is what the file names to run it on, if anything; `refused` that it must not start."""

    name: str
    node: Node
    filter: str | None
    setup: Setup
    steps: tuple[Step, ...]
    refused: str | None = None
