"""`leaksignal-wasm build`: filter.py -> filter.wasm."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from leaksignal_wasm.builder import BuildResult, build
from leaksignal_wasm.builder.target import parse_target
from leaksignal_wasm.cli import _output
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.wasm import PAGE

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20

_STAGES = {
    "runtime": "looking for the runtime",
    "compile": "compiling the runtime for this machine (once a version)",
    "start": "starting Python",
    "import": "importing the filter",
    "seal": "taking the snapshot",
    "measure": "weighing the modules inside",
    "assemble": "writing sections",
    "validate": "holding the module against Envoy's hosts",
    "write": "writing the module",
}

_EPILOG = """\b
Examples:
  leaksignal-wasm build filter.py
  leaksignal-wasm build my_package:HeaderAuth -o auth.wasm --policy policy.yaml
"""


@click.command("build", epilog=_EPILOG)
@click.argument("filter", metavar="FILTER")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="The module to write.  [default: FILTER's name + .wasm]",
)
@click.option(
    "--policy",
    type=click.Path(path_type=Path),
    help="A file baked in as data named 'policy'; the filter reads it with proxy_wasm.build_data('policy').",
)
@click.option("--data", multiple=True, metavar="NAME=FILE", help="A file baked in under a name of your own.")
@click.option(
    "--path",
    multiple=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="A folder to look for modules in.",
)
@click.option(
    "--max-memory", type=click.IntRange(1, 4096), metavar="MIB", help="The most memory one VM may use."
)
@click.option("--keep-compiler", is_flag=True, help="Leave compile, exec and eval of source usable (0.5 MB).")
@click.option("--keep-names", is_flag=True, help="Leave function names in, for stack traces of traps.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="What importing the filter may take.",
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(
    filter: str,  # noqa: A002 - the word that users know it by
    output: Path | None,
    policy: Path | None,
    data: tuple[str, ...],
    path: tuple[Path, ...],
    max_memory: int | None,
    timeout: float,
    *,
    keep_compiler: bool,
    keep_names: bool,
    as_json: bool,
) -> None:
    """Make one .wasm module of a Python filter.

    FILTER is a file (filter.py), a package folder, or module:Class. What it imports comes along: its own
    modules and pure-Python packages of this environment.
    """
    with ExitStack() as stack:
        result = build(
            filter,
            output=output or Path(f"{parse_target(filter).stem}.wasm"),
            data=_read_data(policy, data),
            path=path,
            max_memory=max_memory,
            keep_compiler=keep_compiler,
            keep_names=keep_names,
            timeout=timeout,
            progress=_progress(stack),
        )
    if as_json:
        click.echo(json.dumps(_as_json(result), indent=2))
    else:
        _show(result)


def _read_data(policy: Path | None, data: tuple[str, ...]) -> dict[str, bytes]:
    files = {} if policy is None else {"policy": policy}
    for entry in data:
        name, separator, file = entry.partition("=")
        if not (separator and name and file):
            raise click.UsageError(f"--data takes NAME=FILE, not '{entry}'")
        if name in files:
            raise click.UsageError(f"two files for the name '{name}'")
        files[name] = Path(file)
    return {name: _read(file) for name, file in files.items()}


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}", where=str(file)) from error


def _progress(stack: ExitStack) -> Callable[[str], None]:
    """Show the current stage on a terminal; elsewhere tell only of what takes minutes, making the runtime."""
    console = Console(stderr=True)
    if not console.is_terminal:
        return lambda stage: None if stage in _STAGES else click.echo(stage, err=True)
    status = stack.enter_context(console.status("building"))
    return lambda stage: status.update(_STAGES.get(stage, stage))


def _as_json(result: BuildResult) -> dict[str, object]:
    return {
        "output": str(result.output),
        "sha256": result.sha256,
        "size": result.size,
        "gzip_size": result.gzip_size,
        "memory_pages": result.pages,
        "seconds": dict(result.seconds),
        "warnings": list(result.warnings),
        "log": list(result.log),
        "build": dict(result.record),
    }


def _show(result: BuildResult) -> None:
    console = _output.console()
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_row("module", f"{result.size / 1e6:.2f} MB, {result.gzip_size / 1e6:.2f} MB gzip")
    table.add_row("memory", f"{result.pages} pages, {result.pages * PAGE / MIB:.1f} MiB a VM to start with")
    modules = result.record["modules"]
    own = [x for x in modules if x["origin"] == "filter"]
    table.add_row("filter", f"{result.record['filter']}, {len(own)} of {len(modules)} Python modules inside")
    table.add_row("callbacks", ", ".join(x.removeprefix("proxy_") for x in result.record["callbacks"]))
    times = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in result.seconds.items())
    table.add_row("time", f"{sum(result.seconds.values()):.1f} s ({times})")
    table.add_row("sha256", result.sha256)
    console.print(f"[bold]{result.output}[/bold]")
    _output.show(table)
    for line in result.log:
        console.print(f"printed while building: {line.rstrip()}", markup=False, style="dim")
    for line in result.warnings:
        Console(stderr=True).print(f"warning: {line}", style="yellow", markup=False)
