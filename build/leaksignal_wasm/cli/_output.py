"""What the commands print results on: colour and the terminal's width for people, plain whole lines in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

_PIPE_WIDTH = 10_000
"""Nothing is wrapped for a program that reads."""


def console() -> Console:
    """Return a console on standard output."""
    found = Console()
    return found if found.is_terminal else Console(width=_PIPE_WIDTH)


def show(table: Table) -> None:
    """Print a table; in a pipe without the blanks that pad its last column."""
    found = console()
    if found.is_terminal:
        found.print(table)
        return
    with found.capture() as printed:
        found.print(table)
    click.echo("\n".join(line.rstrip() for line in printed.get().splitlines()))
