"""`leaksignal-wasm test`: declarative test files on a filter, natively, in wasm, or both."""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from leaksignal_wasm.cli._border import host_errors
from leaksignal_wasm.errors import UserError
from proxy_wasm_host.declarative import Case, Problem, Result, load_tests, run_case
from proxy_wasm_host.replay import differences
from proxy_wasm_host.target import Target, load_target

if TYPE_CHECKING:
    from collections.abc import Iterator


_EPILOG = """\b
Example:
  leaksignal-wasm test tests/filter.wasmtest.yaml --both
"""


@click.command("test", epilog=_EPILOG)
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--filter", "filter_", metavar="FILTER", help="The filter's .py, in place of what the files name."
)
@click.option("--module", metavar="X.wasm", help="A built module to run the tests on.")
@click.option(
    "--both", is_flag=True, help="Natively and in wasm (built, unless --module is given), and compare."
)
@click.option("-k", "only", metavar="TEXT", help="Only tests with TEXT in their names.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each test, then a summary.")
def command(
    files: tuple[Path, ...],
    filter_: str | None,
    module: str | None,
    only: str | None,
    *,
    both: bool,
    as_json: bool,
) -> None:
    """Run the tests in FILES (docs: testing) and show what did not hold.

    Each file names its filter, which runs in this Python; --module runs a built module instead. Exits with 1
    if a test failed.
    """
    results: list[Result] = []
    with host_errors(), ExitStack() as stack:
        cases = [case for file in files for case in load_tests(file) if not only or only in case.name]
        if not cases:
            raise UserError("no tests" + (f" with {only!r} in their names" if only else ""))
        targets = _Targets(filter_, module, stack, both=both)
        for case in cases:
            for result in _run(case, targets.of(case)):
                results.append(result)
                if as_json:
                    click.echo(json.dumps(_as_json(result), ensure_ascii=False))
                else:
                    _show(result)
    failed = sum(not result.passed for result in results)
    if as_json:
        click.echo(json.dumps({"summary": {"passed": len(results) - failed, "failed": failed}}))
    else:
        click.echo(f"{len(results) - failed} passed, {failed} failed")
    if failed:
        sys.exit(1)


class _Targets:
    """What each test runs on; everything is loaded, and built, once."""

    def __init__(self, filter_: str | None, module: str | None, stack: ExitStack, *, both: bool) -> None:
        self._filter = filter_
        self._module = module
        self._both = both
        self._stack = stack
        self._loaded: dict[str, Target] = {}
        self._built: dict[str, str] = {}

    def of(self, case: Case) -> list[Target]:
        source = self._filter or case.filter
        if self._both:
            if source is None or source.endswith(".wasm"):
                raise self._none(case, "--both needs the filter's Python")
            return [self._load(source), self._load(self._module or self._build(source))]
        reference = self._module or source
        if reference is None:
            raise self._none(case, "nothing to run it on")
        return [self._load(reference)]

    def _load(self, reference: str) -> Target:
        if reference not in self._loaded:
            self._loaded[reference] = load_target(reference)
        return self._loaded[reference]

    def _build(self, source: str) -> str:
        if source not in self._built:
            from leaksignal_wasm.builder import build  # noqa: PLC0415 - only here something is built

            folder = self._stack.enter_context(tempfile.TemporaryDirectory())
            output = Path(folder) / "filter.wasm"
            build(source, output=output)
            self._built[source] = str(output)
        return self._built[source]

    @staticmethod
    def _none(case: Case, what: str) -> UserError:
        return UserError(what, where=case.node.file, remedy="add `filter: FILE.py` to it, or give --filter")


def _run(case: Case, targets: list[Target]) -> Iterator[Result]:
    results = [run_case(case, target) for target in targets]
    yield from results
    if len(results) > 1:
        native, wasm = results
        pairs = zip(native.outcomes, wasm.outcomes, strict=False)
        problems = tuple(
            Problem(f"{case.node.where}: {one.exchange.source}", difference)
            for one, other in pairs
            for difference in differences(one, other)
        )
        yield Result(case, "native = wasm", problems, (), native.seconds + wasm.seconds)


def _show(result: Result) -> None:
    console = Console(highlight=False, soft_wrap=True)
    mark = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
    console.print(f"{mark}  {escape(result.case.name)}  ({result.target}, {result.seconds * 1000:.0f} ms)")
    for problem in result.problems:
        console.print(f"    {escape(str(problem))}")


def _as_json(result: Result) -> dict[str, Any]:
    return {
        "file": result.case.node.file,
        "line": result.case.node.line,
        "name": result.case.name,
        "target": result.target,
        "passed": result.passed,
        "seconds": round(result.seconds, 6),
        "problems": [{"where": problem.where, "what": problem.what} for problem in result.problems],
    }
