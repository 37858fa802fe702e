"""`leaksignal-wasm push`: a module into an OCI registry, or into an OCI layout on disk."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from leaksignal_wasm import oci, registry

_EPILOG = """\b
Examples:
  leaksignal-wasm push filter.wasm registry.example/filter:1.0
  leaksignal-wasm push filter.wasm --layout image/
"""


@click.command("push", epilog=_EPILOG)
@click.argument("module", type=click.Path(path_type=Path))
@click.argument("reference", required=False)
@click.option(
    "--layout", type=click.Path(path_type=Path, file_okay=False), help="Write an OCI layout to this folder."
)
@click.option("--tag", default="latest", show_default=True, help="The image's name inside the layout.")
@click.option(
    "--variant",
    type=click.Choice(["compat", "artifact"]),
    default="compat",
    show_default=True,
    help="compat: an ordinary image with plugin.wasm, for any registry; artifact: layers of their own types.",
)
@click.option("--plain-http", is_flag=True, help="The registry speaks HTTP without TLS.")
def command(
    module: Path, reference: str | None, layout: Path | None, tag: str, variant: str, *, plain_http: bool
) -> None:
    """Push MODULE (a .wasm file) to REFERENCE, such as ghcr.io/me/my-filter:1.0.

    The image has the layer shape that Istio's WasmPlugin takes. Logins come from Docker's configuration.
    """
    if (reference is None) == (layout is None):
        raise click.UsageError("name either a reference to push to, or --layout FOLDER")
    packed = oci.image(oci.read_module(module), cast("oci.Variant", variant))
    if layout is not None:
        oci.write_layout(packed, layout, tag)
        click.echo(f"{layout}:{tag}")
    elif reference is not None:
        target = registry.Reference.parse(reference)
        registry.push(packed, target, plain_http=plain_http)
        click.echo(f"oci://{target}")
    click.echo(packed.digest)
