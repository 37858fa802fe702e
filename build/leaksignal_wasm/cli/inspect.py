"""`leaksignal-wasm inspect`: what a module imports, exports and weighs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.table import Table

from leaksignal_wasm.cli import _output
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.inspection import Inspection, inspect
from leaksignal_wasm.wasm import PAGE, WasmFormatError

if TYPE_CHECKING:
    from rich.console import Console

_SHOWN = 25

_EPILOG = """\b
Example:
  leaksignal-wasm inspect filter.wasm
"""


@click.command("inspect", epilog=_EPILOG)
@click.argument("module", metavar="MODULE.wasm", type=click.Path(path_type=Path))
@click.option(
    "--all", "everything", is_flag=True, help="List every Python module inside, not the heaviest only."
)
@click.option("--json", "as_json", is_flag=True, help="Report as JSON on stdout.")
def command(module: Path, *, everything: bool, as_json: bool) -> None:
    """Show what a module imports, exports and weighs, and which Envoys load it.

    Works for any Proxy-Wasm module; of those built here it also shows the Python modules inside.
    """
    try:
        found = inspect(module.read_bytes())
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}", where=str(module)) from error
    except WasmFormatError as error:
        raise UserError(
            str(error), where=str(module), remedy="give a complete WebAssembly core module"
        ) from error
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    else:
        _show(module, found, everything=everything)


def _show(path: Path, found: Inspection, *, everything: bool) -> None:
    console = _output.console()
    console.print(f"[bold]{path}[/bold]", f"{found.size:,} bytes, {found.gzip_size:,} gzip", highlight=False)
    console.print(f"sha256 {found.sha256}", highlight=False)
    memory = (
        f"{found.pages} pages, {found.pages * PAGE / (1 << 20):.1f} MiB"
        if found.pages is not None
        else "none of its own"
    )
    limit = (
        "no limit of its own"
        if found.maximum_pages is None
        else f"at most {found.maximum_pages * PAGE / (1 << 20):.0f} MiB"
    )
    console.print(
        f"ABI {found.abi or 'unknown: not a Proxy-Wasm module'}, memory {memory} ({limit})", highlight=False
    )
    _output.show(_sections(found))
    _output.show(_imports(found))
    for name, reasons in found.refusals.items():
        for reason in reasons:
            console.print(f"{name} refuses it: {reason}", style="red", markup=False, highlight=False)
    if found.exports:
        console.print("[bold]exports[/bold]", ", ".join(found.exports), highlight=False)
    for problem in found.wrong_exports:
        console.print(f"wrong export: {problem}", style="red", markup=False, highlight=False)
    if found.record:
        _show_record(console, found, everything=everything)


def _sections(found: Inspection) -> Table:
    table = Table("section", box=None, pad_edge=False)
    table.add_column("bytes", justify="right")
    table.add_column("gzip", justify="right")
    for section in found.sections:
        table.add_row(section.name, f"{section.size:,}", f"{section.gzip_size:,}")
    return table


def _imports(found: Inspection) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("import", no_wrap=True)
    for generation in found.refusals:
        table.add_column(generation.partition(" (")[0].removeprefix("Envoy "), justify="center")
    for entry in found.imports:
        marks = ["[red]no[/red]" if name in entry.refused_by else "yes" for name in found.refusals]
        table.add_row(entry.name, *marks)
    return table


def _show_record(console: Console, found: Inspection, *, everything: bool) -> None:
    record = found.record or {}
    console.print(
        f"[bold]built[/bold] from {record.get('filter')} by leaksignal-wasm {record.get('toolchain')},"
        f" Python {record.get('python')}, runtime {str(record.get('runtime'))[:12]}",
        highlight=False,
    )
    modules = sorted(
        record.get("modules", []), key=lambda x: (-x.get("heap", 0), -x.get("source", 0), x["name"])
    )
    table = Table("Python module", "of", box=None, pad_edge=False)
    table.add_column("source", justify="right")
    table.add_column("in memory", justify="right")
    for entry in modules if everything else modules[:_SHOWN]:
        table.add_row(entry["name"], entry["origin"], f"{entry['source']:,}", f"{entry.get('heap', 0):,}")
    if not everything and len(modules) > _SHOWN:
        table.add_row(f"... {len(modules) - _SHOWN} more (--all)", "", "", "")
    _output.show(table)
    console.print("[bold]native modules[/bold]", ", ".join(record.get("builtin", [])), highlight=False)
    for name, size in record.get("data", {}).items():
        console.print(f"data '{name}': {size:,} bytes", markup=False, highlight=False)
