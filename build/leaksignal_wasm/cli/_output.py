"""What the commands print results on: colour and the terminal's width for people, plain whole lines in a pipe."""

from __future__ import annotations

from rich.console import Console

_PIPE_WIDTH = 10_000
"""Nothing is wrapped for a program that reads."""


def console() -> Console:
    """Return a console on standard output."""
    found = Console()
    return found if found.is_terminal else Console(width=_PIPE_WIDTH)
