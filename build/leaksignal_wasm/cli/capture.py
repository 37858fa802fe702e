"""`leaksignal-wasm capture`: record real traffic through Envoy's tap filter."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from leaksignal_wasm.cli import _envoy
from leaksignal_wasm.envoy.recorder import MAX_BODY, Recorder
from leaksignal_wasm.envoy_config import TapFormat, Upstream
from leaksignal_wasm.errors import UserError
from proxy_wasm_host.capture import save_capture

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = {
    "capture": TapFormat.PROTO_BINARY_LENGTH_DELIMITED,
    "tap-json": TapFormat.JSON_BODY_AS_BYTES,
    "tap-protobuf": TapFormat.PROTO_BINARY_LENGTH_DELIMITED,
}

_EPILOG = """\b
Examples:
  leaksignal-wasm capture --upstream http://127.0.0.1:8080 -o shop.capture
  leaksignal-wasm capture --upstream https://api.example.org --requests 100 --mask authorization --mask cookie
"""


@click.command("capture", epilog=_EPILOG)
@click.option(
    "--upstream", required=True, metavar="HOST:PORT|URL", help="The server whose traffic is recorded."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("traffic.capture"),
    show_default=True,
    help="The file to write (gzipped if its name ends in .gz); with a tap format, a folder.",
)
@_envoy.port_option
@click.option("--requests", type=click.IntRange(1), metavar="N", help="End after so many requests.")
@click.option("--seconds", type=click.FloatRange(0, min_open=True), metavar="S", help="End after so long.")
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="capture",
    show_default=True,
    help="This project's own format, or Envoy's tap output as it is, a file a request.",
)
@click.option("--whole", is_flag=True, help="Record bodies in one piece and exact times, not chunk by chunk.")
@click.option(
    "--max-body",
    type=click.IntRange(1),
    default=MAX_BODY,
    show_default=True,
    metavar="BYTES",
    help="How much of a body (or of a chunk) is kept.",
)
@click.option(
    "--mask", multiple=True, metavar="HEADER", help="Record asterisks instead of this header's values."
)
@_envoy.envoy_option
@_envoy.func_e_option
def command(
    upstream: str,
    output: Path,
    port: int,
    requests: int | None,
    seconds: float | None,
    form: str,
    max_body: int,
    mask: tuple[str, ...],
    envoy: str | None,
    *,
    whole: bool,
    func_e: bool,
) -> None:
    """Record what goes through Envoy to an upstream, for `replay`.

    Point a client at the address shown. Ctrl-C, --requests or --seconds end the recording. It holds whatever
    clients and server said, secrets too: use --mask, and look before you share it.
    """
    if mask and form != "capture":
        raise click.UsageError("--mask works on the format 'capture' only: tap output is Envoy's own")
    if not output.parent.is_dir():
        raise UserError(
            "there is no such folder", where=str(output.parent), remedy="make it, or choose another -o"
        )
    console = Console(stderr=True, highlight=False)
    recorder = Recorder(
        Upstream.parse(upstream),
        port=port,
        tap_format=_FORMATS[form],
        whole=whole,
        max_body=max_body,
        binary=_envoy.binary(envoy, func_e=func_e),
    )
    with _envoy.stopped_by_signals(), recorder:
        console.print(f"recording [bold]{recorder.envoy.url('/')}[/bold] -> {upstream}; ctrl-C ends it")
        with contextlib.suppress(_envoy.Interrupted), console.status("no request yet") as status:
            _record(recorder, requests, seconds, status.update)
        count = _save(recorder, output, form, mask)
        console.print(f"{count} requests in {output}")


def _record(
    recorder: Recorder, requests: int | None, seconds: float | None, show: Callable[[str], None]
) -> None:
    """Return when enough has been recorded, or Envoy has ended."""
    end = time.monotonic() + (seconds or float("inf"))

    def enough() -> bool:
        answered = recorder.answered()
        show(f"{answered} requests")
        return (requests is not None and answered >= requests) or time.monotonic() >= end

    _envoy.serve_until(recorder.envoy, enough, poll=0.05)


def _save(recorder: Recorder, output: Path, form: str, mask: tuple[str, ...]) -> int:
    if form == "capture":
        return save_capture(output, recorder.exchanges(mask))
    files = recorder.files()
    output.mkdir(exist_ok=True)
    for number, file in enumerate(files, 1):
        shutil.copyfile(file, output / f"{number:06}{'.json' if form == 'tap-json' else '.pb'}")
    return len(files)
