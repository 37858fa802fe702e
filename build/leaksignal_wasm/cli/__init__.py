"""The command line: one module a command, imported when that command is asked for.

`leaksignal_wasm/cli/NAME.py` holds `command`, a click command. The table below carries each command's
help line as well, so that `--help` imports none of them.
"""

from __future__ import annotations

import difflib
import importlib
from typing import IO, Any, Final

import click

from leaksignal_wasm import __version__
from leaksignal_wasm.errors import UserError

COMMANDS: Final[dict[str, str]] = {
    "init": "Start a project: a filter, its tests, its Envoy configuration.",
    "build": "Make one .wasm module of a Python filter.",
    "inspect": "Show what a module imports, exports and weighs.",
    "run": "Start Envoy with a module in front of an upstream.",
    "replay": "Send captured traffic through a module and show what it did.",
    "capture": "Record real traffic through Envoy.",
    "manifest": "Write Envoy or Istio configuration for a module.",
    "push": "Push a module to an OCI registry, or lay it out on disk.",
    "test": "Run declarative test files against a filter or a module.",
}
"""Every command and its line in `--help`, in the order shown: the order in which a new user meets them."""


class Failure(click.ClickException):
    """A `UserError` as click shows it: on stderr, in up to three parts, exit code 1."""

    exit_code = 1

    def __init__(self, error: UserError) -> None:
        super().__init__(str(error))
        self.error = error

    def show(self, file: IO[Any] | None = None) -> None:
        """Print what was wrong, where, and what would be right."""
        where = f"{self.error.where}: " if self.error.where else ""
        click.echo(
            f"{click.style('error:', fg='red', bold=True)} {where}{self.error.what}", file=file, err=True
        )
        if self.error.remedy:
            click.echo(f"  {click.style('remedy:', bold=True)} {self.error.remedy}", file=file, err=True)


class LazyGroup(click.Group):
    """A group that imports a command's module when the command runs, or when its own help is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Name all commands, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the command's module and take its `command`."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a slip of ours, not of a user
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which one may have been meant."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"commands: {', '.join(COMMANDS)}"
            raise click.UsageError(f"no command '{args[0]}'; {hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands from the table, importing nothing."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a `UserError` becomes click's own kind of error here and nowhere else."""
        try:
            return super().invoke(ctx)
        except UserError as error:
            raise Failure(error) from error


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="leaksignal-wasm")
def cli() -> None:
    """Build, try, test and ship Proxy-Wasm filters written in Python."""


def main() -> None:
    """Run the command line with the process's arguments; exits 2 on wrong usage, 1 on failure."""
    cli(prog_name="leaksignal-wasm")
