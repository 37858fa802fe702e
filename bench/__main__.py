"""Measures what the project promises about size, start, memory and speed, and prints it as a table.

Each of NAMES is a measurement (all that run by default, if none is given). Everything compared is measured
in one run, on one machine, in Envoys with one worker; missed limits are shown, not punished.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from bench.goals import GOALS
from bench.table import save, show
from bench.workshop import Workshop
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from bench.figures import Figure


def _list(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        for name, goal in GOALS.items():
            click.echo(f"{name:10} {goal.about}{'' if goal.by_default else ' (only by name)'}")
        context.exit()


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(GOALS)))
@click.option("--quick", is_flag=True, help="Fewer rounds and requests: a look, not a result.")
@click.option(
    "--json", "output", type=click.Path(path_type=Path, dir_okay=False), help="Save the figures here too."
)
@click.option(
    "--list", is_flag=True, is_eager=True, expose_value=False, callback=_list, help="Name the measurements."
)
def main(names: tuple[str, ...], quick: bool, output: Path | None) -> None:
    wanted = names or tuple(name for name, goal in GOALS.items() if goal.by_default)
    results: dict[str, list[Figure]] = {}
    console = Console(stderr=True)
    failed = False
    with Workshop(quick=quick) as workshop:
        for name in wanted:
            console.print(f"measuring {name}: {GOALS[name].about}", style="dim", markup=False)
            try:
                results[name] = GOALS[name].measure(workshop)
            except UserError as error:
                console.print(f"bench: {error}", style="red", markup=False)
                failed = True
    if results:
        show(results)
        if output is not None:
            save(output, results)
    sys.exit(failed)


if __name__ == "__main__":
    main()
