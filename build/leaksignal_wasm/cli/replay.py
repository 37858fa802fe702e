"""`leaksignal-wasm replay`: what a filter sees of captured traffic, and what it does to it."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click
from rich.table import Table
from rich.text import Text

from leaksignal_wasm.cli import _output
from leaksignal_wasm.cli._border import host_errors, read_configuration
from leaksignal_wasm.errors import UserError
from proxy_wasm_host import FailurePolicy, Host, LogLevel, ModuleFailedError
from proxy_wasm_host.capture import iter_capture
from proxy_wasm_host.replay import Outcome, header_changes, replay
from proxy_wasm_host.target import load_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from proxy_wasm_host.capture import Exchange

_LONGEST_PATH = 60
_LOG_LINES = 3

_EPILOG = """\b
Examples:
  leaksignal-wasm replay traffic.har --module filter.wasm
  leaksignal-wasm replay traffic.har --module filter.wasm --envoy --config @config.json
"""


@click.command("replay", epilog=_EPILOG)
@click.argument("capture", type=click.Path(path_type=Path))
@click.option("--module", required=True, help="The .wasm module, or a filter's .py file to run natively.")
@click.option("--envoy", is_flag=True, help="Through a real Envoy instead of the built-in host.")
@click.option("--configuration", "--config", metavar="TEXT|@FILE", help="The plugin's configuration.")
@click.option("--chunk-size", type=click.IntRange(min=1), help="Cut bodies into chunks of so many bytes.")
@click.option("--partial", is_flag=True, help="Of a capture that was cut off, take what is whole in it.")
@click.option("--limit", type=click.IntRange(min=1), help="Stop after so many exchanges.")
@click.option(
    "--json", "as_json", is_flag=True, help="One JSON object a line for each stream, then a summary."
)
def command(
    capture: Path,
    module: str,
    configuration: str | None,
    chunk_size: int | None,
    limit: int | None,
    *,
    envoy: bool,
    partial: bool,
    as_json: bool,
) -> None:
    """Send the traffic of CAPTURE through a filter and show what it saw and did.

    CAPTURE is a HAR, Envoy tap output (a file or the folder of them) or a file of `leaksignal-wasm capture`.
    Exits with 1 if a stream failed: a trap, or a request or response that the filter never let go on.
    """
    payload = read_configuration(configuration)
    with host_errors():
        exchanges = _Loading(itertools.islice(iter_capture(capture, partial=partial), limit))
        run = _through_envoy if envoy else _through_host
        summary = Summary()
        with run(module, payload) as through:
            report = _report_json if as_json else _report_table
            report(through.replay(exchanges, chunk_size=chunk_size), summary)
            summary.metrics = through.metrics()
            summary.seconds -= exchanges.seconds
    if as_json:
        click.echo(json.dumps({"summary": summary.as_json()}))
    else:
        _show(summary)
    if summary.failed:
        sys.exit(1)


@dataclass
class Summary:
    """Counts of a whole replay."""

    streams: int = 0
    changed: int = 0
    answered: int = 0
    failed: int = 0
    seconds: float = 0.0
    statuses: Counter[str] = field(default_factory=Counter)
    metrics: dict[str, int] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        """Count a stream."""
        self.streams += 1
        self.changed += row.changed
        self.answered += row.outcome.upstream is None and row.outcome.client is not None
        self.failed += row.outcome.failure is not None
        self.statuses[str(row.outcome.status or "none")] += 1

    @property
    def rate(self) -> float:
        """Streams a second."""
        return self.streams / self.seconds if self.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Lay it out for `--json`."""
        counts = {
            "streams": self.streams,
            "changed": self.changed,
            "answered": self.answered,
            "failed": self.failed,
        }
        figures = {"seconds": round(self.seconds, 3), "streams_per_second": round(self.rate)}
        return {**counts, **figures, "statuses": dict(self.statuses), "metrics": self.metrics}


class _Loading:
    """The capture's exchanges; `seconds` is what reading them took."""

    def __init__(self, exchanges: Iterator[Exchange]) -> None:
        self._exchanges = exchanges
        self.seconds = 0.0

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Exchange:
        begun = time.perf_counter()
        try:
            return next(self._exchanges)
        finally:
            self.seconds += time.perf_counter() - begun


class Row:
    """One outcome beside what was recorded."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        exchange = outcome.exchange
        recorded = Outcome(exchange, exchange.request, exchange.response)
        self.request, self.request_body = _change(recorded.normalised()[0], outcome.normalised()[0])
        self.response, self.response_body = _change(recorded.normalised()[1], outcome.normalised()[1])
        self.changed = bool(self.request or self.response or self.request_body or self.response_body)

    def as_json(self) -> dict[str, Any]:
        """Lay it out for `--json`."""
        outcome, exchange = self.outcome, self.outcome.exchange
        return {
            "source": exchange.source,
            "method": exchange.method,
            "authority": exchange.authority,
            "path": exchange.path,
            "status": {"recorded": exchange.status, "client": outcome.status},
            "reached_upstream": outcome.upstream is not None,
            "request": {"headers": self.request, "body_bytes": self.request_body},
            "response": {"headers": self.response, "body_bytes": self.response_body},
            "actions": [list(action) for action in outcome.actions],
            "logs": [[level.name.lower(), line] for level, line in outcome.logs],
            "metrics": dict(outcome.metrics),
            "failure": outcome.failure,
        }

    def cells(self) -> tuple[Text, ...]:
        """Lay it out for the table."""
        outcome, exchange = self.outcome, self.outcome.exchange
        path = (
            exchange.path if len(exchange.path) <= _LONGEST_PATH else exchange.path[: _LONGEST_PATH - 1] + "…"
        )
        before, after = exchange.status, outcome.status
        status = f"{before or '-'}" if before == after else f"{before or '-'} → {after or '-'}"
        if outcome.upstream is None and outcome.client is not None:
            status += " by the filter"
        logs = [line for _, line in outcome.logs]
        shown = "\n".join(logs[:_LOG_LINES]) + (
            f"\n… {len(logs) - _LOG_LINES} more" if len(logs) > _LOG_LINES else ""
        )
        if outcome.failure:
            shown = "\n".join(part for part in (outcome.failure, shown) if part)
        texts = (
            exchange.method,
            path,
            status,
            _cell(self.request, self.request_body),
            _cell(self.response, self.response_body),
            shown,
        )
        style = "red" if outcome.failure else ""
        return tuple(Text(text, style=style) for text in texts)


def _change(before: Any, after: Any) -> tuple[list[str], list[int] | None]:
    """List changed headers and trailers, and the body's sizes before and after if it changed."""
    if before is None or after is None:
        return [], None
    headers = header_changes(before[0], after[0]) + [
        f"trailer {name}" for name in header_changes(before[2], after[2])
    ]
    return headers, None if before[1] == after[1] else [len(before[1]), len(after[1])]


def _cell(headers: list[str], body: list[int] | None) -> str:
    parts = [" ".join(headers)] if headers else []
    if body is not None:
        parts.append(f"body {body[0]:,} → {body[1]:,} B")
    return "\n".join(parts)


class _HostRun:
    """The built-in host, ready to replay."""

    def __init__(self, module: str, configuration: bytes | None) -> None:
        self._host = Host()
        target = load_target(module)
        try:
            vm = target.vm(self._host, failure_policy=FailurePolicy.FAIL_RELOAD)
            self._plugin = vm.plugin("filter", "", configuration or b"")
        except ModuleFailedError as error:
            said = "".join(f"\n    {line}" for line in self._host.messages(LogLevel.WARN))
            raise UserError(f"the filter does not start: {error.what}{said}", where=module) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._host.close()

    def replay(self, exchanges: Iterable[Exchange], *, chunk_size: int | None) -> Iterator[Outcome]:
        return replay(self._plugin, exchanges, chunk_size=chunk_size)

    def metrics(self) -> dict[str, int]:
        return self._host.metrics.values_only()


def _through_host(module: str, configuration: bytes | None) -> AbstractContextManager[Any]:
    return _HostRun(module, configuration)


def _through_envoy(module: str, configuration: bytes | None) -> AbstractContextManager[Any]:
    from leaksignal_wasm.envoy_config import WasmPlugin  # noqa: PLC0415 - only --envoy needs it
    from leaksignal_wasm.envoy_replay import EnvoyReplay  # noqa: PLC0415 - as above

    path = Path(module)
    if path.suffix != ".wasm":
        raise UserError(
            "Envoy runs .wasm modules only", where=module, remedy=f"leaksignal-wasm build {module}"
        )
    if not path.is_file():
        raise UserError("no such file", where=module, remedy="leaksignal-wasm build makes a module")
    return EnvoyReplay([WasmPlugin(path.resolve(), configuration=configuration)])


def _report_json(outcomes: Iterator[Outcome], summary: Summary) -> None:
    for row in _timed(outcomes, summary):
        click.echo(json.dumps(row.as_json(), ensure_ascii=False))


def _report_table(outcomes: Iterator[Outcome], summary: Summary) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("method", "path", "status", "request", "response", "log"):
        table.add_column(title, overflow="fold")
    for row in _timed(outcomes, summary):
        table.add_row(*row.cells())
    _output.show(table)


def _timed(outcomes: Iterator[Outcome], summary: Summary) -> Iterator[Row]:
    """Count outcomes, and the time that making them took, without that of showing them."""
    while True:
        begun = time.perf_counter()
        outcome = next(outcomes, None)
        summary.seconds += time.perf_counter() - begun
        if outcome is None:
            return
        row = Row(outcome)
        summary.add(row)
        yield row


def _show(summary: Summary) -> None:
    console = _output.console()
    counts = (
        f"{summary.changed:,} changed, {summary.answered:,} answered by the filter, {summary.failed:,} failed"
    )
    console.print(
        f"{summary.streams:,} streams in {summary.seconds:.2f} s ({summary.rate:,.0f} a second): {counts}",
        highlight=False,
    )
    for name, value in summary.metrics.items():
        console.print(f"  {name} = {value:,}", markup=False, highlight=False)
