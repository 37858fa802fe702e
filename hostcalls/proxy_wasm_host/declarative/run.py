"""Running a test: a fresh host for each, its streams one after the other, its expectations after each."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from proxy_wasm_host._callouts import LATER, CallFailure, GrpcCall, GrpcReply, HttpCall, HttpReply
from proxy_wasm_host._clock import VirtualClock
from proxy_wasm_host._host import Host
from proxy_wasm_host._limits import FailurePolicy
from proxy_wasm_host.capture import Message
from proxy_wasm_host.errors import ModuleFailedError
from proxy_wasm_host.replay import Outcome, logged, replay

if TYPE_CHECKING:
    from collections.abc import Callable

    from proxy_wasm_host._callouts import Later
    from proxy_wasm_host._plugin import Plugin
    from proxy_wasm_host.capture import Exchange
    from proxy_wasm_host.declarative.model import Case, Reply, Step
    from proxy_wasm_host.target import Target


@dataclass(frozen=True)
class Problem:
    """Something that did not hold: where it was written, and what was found instead."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True)
class Ran:
    """One stream of a test, as expectations look at it: the outcome, and the HTTP call-outs made in it."""

    outcome: Outcome
    calls: list[HttpCall]


@dataclass(frozen=True)
class Result:
    """What became of a test on one target; it passed if there are no problems."""

    case: Case
    target: str
    problems: tuple[Problem, ...]
    outcomes: tuple[Outcome, ...]
    seconds: float = field(compare=False)

    @property
    def passed(self) -> bool:
        """Whether all held."""
        return not self.problems


def run_case(case: Case, target: Target) -> Result:
    """Run a test on a filter or module."""
    begun = time.perf_counter()
    problems: list[Problem] = []
    outcomes: list[Outcome] = []
    clock = VirtualClock(case.setup.clock)
    with Host(clock, quirks=case.setup.quirks) as host:
        host.properties.update(case.setup.properties)
        for cluster, replies in case.setup.callouts.items():
            host.cluster(cluster, http=_http(replies), grpc=_grpc(replies))
        try:
            vm = target.vm(
                host, configuration=case.setup.vm_configuration, failure_policy=FailurePolicy.FAIL_CLOSED
            )
            plugin = vm.plugin("filter", case.setup.root_id, case.setup.configuration)
        except ModuleFailedError as error:
            problems += _refusal(case, host, error)
        else:
            if case.refused is not None:
                problems.append(Problem(case.node.where, "the filter started, and should have refused"))
            for step in case.steps:
                outcomes += _run_step(step, plugin, clock, problems)
    return Result(case, target.kind, tuple(problems), tuple(outcomes), time.perf_counter() - begun)


def _refusal(case: Case, host: Host, error: ModuleFailedError) -> list[Problem]:
    said = "".join(f"\n    {line}" for line in host.messages())
    if case.refused is None:
        return [Problem(case.node.where, f"the filter does not start: {error.what}{said}")]
    if case.refused not in error.what and case.refused not in said:
        return [Problem(case.node.where, f"refused, but without {case.refused!r}: {error.what}{said}")]
    return []


def _run_step(step: Step, plugin: Plugin, clock: VirtualClock, problems: list[Problem]) -> list[Outcome]:
    host = plugin.vm.host
    before = host.metrics.values_only()
    clock.advance(step.advance)
    host.properties.update(step.properties)
    outcomes: list[Outcome] = []
    for exchange in step.exchanges:
        host.calls.clear()
        if step.conversation:
            outcome = _connection(plugin, exchange, step.conversation)
        else:
            (outcome,) = replay(plugin, [exchange], chunk_size=step.chunk_size)
        outcomes.append(outcome)
        calls = [call for call in host.calls if isinstance(call, HttpCall)]
        where = f" (in {exchange.source})" if len(step.exchanges) > 1 else ""
        problems += _unmet(step, Ran(outcome, calls), where, after_all=False)
    moved = {name: value - before.get(name, 0) for name, value in host.metrics.values_only().items()}
    problems += _unmet(step, moved, "", after_all=True)
    return outcomes


def _connection(plugin: Plugin, exchange: Exchange, conversation: tuple[tuple[str, bytes], ...]) -> Outcome:
    """Hold a TCP conversation; both sides hang up in the end, or the filter before."""
    with logged(plugin.vm.host) as lines, plugin.tcp_stream() as stream:
        stream.connect()
        for side, data in conversation:
            if stream.reset is None:
                (stream.downstream_data if side == "client" else stream.upstream_data)(data)
        if stream.reset is None:
            stream.downstream_data(b"", end_of_stream=True)
    failure = str(stream.failure) if stream.failure else f"reset: {stream.reset}" if stream.reset else None
    return Outcome(
        exchange=exchange,
        upstream=Message((), tuple(stream.upstream.chunks)),
        client=Message((), tuple(stream.downstream.chunks)),
        actions=tuple(stream.actions),
        logs=tuple(lines),
        failure=failure,
    )


def _unmet(step: Step, seen: Ran | dict[str, int], suffix: str, *, after_all: bool) -> list[Problem]:
    return [
        Problem(expectation.node.where, what + suffix)
        for expectation in step.expectations
        if expectation.after_all == after_all and (what := expectation.check(expectation.look(seen)))
    ]


def _http(replies: tuple[Reply, ...]) -> Callable[[HttpCall], HttpReply | CallFailure | Later]:
    def answer(call: HttpCall) -> HttpReply | CallFailure | Later:
        for reply in replies:
            if reply.path in {None, call.path} and reply.method in {None, call.method}:
                found = reply.answer
                return found if isinstance(found, HttpReply | CallFailure) else LATER
        return HttpReply(404)

    return answer


def _grpc(replies: tuple[Reply, ...]) -> Callable[[GrpcCall], GrpcReply | CallFailure | Later]:
    def answer(call: GrpcCall) -> GrpcReply | CallFailure | Later:
        path = f"/{call.service}/{call.method}"
        for reply in replies:
            if reply.path in {None, path} and isinstance(reply.answer, GrpcReply | CallFailure):
                return reply.answer
        return LATER

    return answer
