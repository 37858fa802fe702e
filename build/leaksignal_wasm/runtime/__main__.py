"""`python -m leaksignal_wasm.runtime [--output DIR]`: build the runtime (or find it), and say where it is."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import click

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime import locate


@click.command()
@click.option("--output", type=click.Path(file_okay=False, path_type=Path), help="Copy it into this folder.")
def main(output: Path | None) -> None:
    """Build the runtime, unless it is built already, and print its folder."""
    start = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - start:5.1f} s] {line}", file=sys.stderr, flush=True)

    try:
        runtime = locate(say)
    except UserError as error:
        raise SystemExit(f"error: {error}") from None
    folder = runtime.path.parent
    if output is not None:
        output.mkdir(parents=True, exist_ok=True)
        for name in ("runtime.wasm", "runtime.json", "stdlib.zip"):
            shutil.copyfile(folder / name, output / name)
        folder = output
    print(folder)


main()
