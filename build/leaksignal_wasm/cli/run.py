"""`leaksignal-wasm run`: a real Envoy with a module, in front of an upstream."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from rich.console import Console
from rich.text import Text

from leaksignal_wasm.cli import _envoy
from leaksignal_wasm.envoy import EnvoyProcess
from leaksignal_wasm.envoy.upstream import describe, serve_http, serve_tcp_echo
from leaksignal_wasm.envoy_config import Upstream, WasmPlugin, proxy, stdout_access_log
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.oci import read_module

if TYPE_CHECKING:
    from leaksignal_wasm.envoy import LogLine

_ACCESS: Final = "[access] "
_ACCESS_LINE: Final = (
    f"{_ACCESS}%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% "
    "%BYTES_RECEIVED% bytes in, %BYTES_SENT% out, %DURATION% ms"
)
_STYLES: Final = {
    "trace": "dim",
    "debug": "dim",
    "info": "green",
    "warning": "yellow",
    "error": "bold red",
    "critical": "bold white on red",
}
_EXPECTED: Final = re.compile(r"^caught ENVOY_SIGTERM|^There is no configured limit to the number of allowed")
"""What Envoy warns of in every run of this kind."""

_METRICS: Final = r"^wasmcustom\.|^http\.ingress\.downstream_rq_([1-5]xx|total)$"

_EPILOG = """\b
Examples:
  leaksignal-wasm run filter.py
  leaksignal-wasm run filter.wasm --upstream 127.0.0.1:8080 --port 10000 --config @config.json
  leaksignal-wasm run echo_inspector.py --tcp --upstream tcp://127.0.0.1:6379
"""


@click.command("run", epilog=_EPILOG)
@click.argument("module", metavar="MODULE.wasm|FILTER")
@click.option(
    "--upstream",
    metavar="HOST:PORT|URL",
    help="Where requests go: HOST:PORT, http://, https://, or h2c:// for gRPC.  [default: a sample server]",
)
@_envoy.port_option
@_envoy.config_option
@_envoy.environment_option
@click.option("--tcp", is_flag=True, help="Run the module as a network filter in front of any TCP server.")
@_envoy.failure_policy_option
@click.option("--concurrency", type=click.IntRange(1), default=1, show_default=True, help="Worker threads.")
@click.option(
    "--log-level",
    type=click.Choice(["trace", "debug", "info", "warn", "error"]),
    default="info",
    show_default=True,
    help="The least level of the filter's log lines to show.",
)
@_envoy.envoy_option
@_envoy.func_e_option
def command(
    module: str,
    upstream: str | None,
    port: int,
    config: str | None,
    environment: tuple[str, ...],
    failure_policy: str,
    concurrency: int,
    log_level: str,
    envoy: str | None,
    *,
    tcp: bool,
    func_e: bool,
) -> None:
    """Start Envoy with a module in front of an upstream, and show what the filter logs.

    A filter that is still Python is built first. Ctrl-C ends it.
    """
    console = Console(highlight=False, soft_wrap=True)
    target = Upstream.parse(upstream) if upstream else None
    binary = _envoy.binary(envoy, func_e=func_e)
    values, host_names = _envoy.environment(environment)
    with _envoy.stopped_by_signals(), contextlib.ExitStack() as stack:
        path = _module(module, console, stack)
        plugin = WasmPlugin(
            path,
            name=path.stem,
            configuration=_envoy.text_or_file(config),
            failure_policy=_envoy.POLICIES[failure_policy],
            environment=values,
            host_environment=host_names,
        )
        if target is None:
            target = (
                stack.enter_context(serve_tcp_echo())
                if tcp
                else stack.enter_context(serve_http(describe, keep=False)).address
            )
        access_log = [] if tcp else [stdout_access_log(_ACCESS_LINE)]
        bootstrap = proxy([plugin], target, port=port, tcp=tcp, access_log=access_log)
        with _envoy.starting(console, "starting Envoy") as progress:
            process = stack.enter_context(
                EnvoyProcess(
                    bootstrap,
                    binary=binary,
                    concurrency=concurrency,
                    component_log_levels={"wasm": log_level},
                    arguments=["--file-flush-interval-msec", "100"],
                    on_log=lambda line: _show(console, line),
                    on_progress=progress,
                )
            )
        where = f"127.0.0.1:{process.port()}" if tcp else process.url("/")
        sample = "" if upstream else f" (a sample that answers with {'the same' if tcp else 'what it got'})"
        console.print(f"Envoy {binary.version()} with {path.name}, ready after {process.start_seconds:.1f} s")
        console.print(f"  listening on [bold]{where}[/bold]")
        console.print(f"  upstream     {target}{sample}")
        console.print(f"  admin        http://127.0.0.1:{process.admin_port}/")
        console.print("ctrl-C ends it", style="dim")
        try:
            _envoy.serve_until(process)
        finally:
            _summary(console, process)


def _module(text: str, console: Console, stack: contextlib.ExitStack) -> Path:
    """Return the module that `text` names, built for the time being if it is a filter's source."""
    path = Path(text)
    if path.suffix == ".wasm":
        if not path.is_file():
            raise UserError(
                "there is no such module", where=text, remedy="leaksignal-wasm build FILTER makes one"
            )
        read_module(path)  # Envoy would say less of what is wrong with it
        return path.resolve()
    # The toolchain is heavy; whoever runs a finished module does not wait for it to be imported.
    from leaksignal_wasm.builder import build  # noqa: PLC0415
    from leaksignal_wasm.builder.target import parse_target  # noqa: PLC0415

    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leaksignal-run-")))
    with console.status("building"):
        result = build(text, output=folder / f"{parse_target(text).stem}.wasm")
    console.print(
        f"built {text}: {result.size / 1e6:.2f} MB in {sum(result.seconds.values()):.1f} s", style="dim"
    )
    return result.output


def _show(console: Console, line: LogLine) -> None:
    """Print a line of the filter's log, an answered request, or one of Envoy's own warnings."""
    if line.message.startswith(_ACCESS):
        console.print(Text(line.message.removeprefix(_ACCESS), style="cyan"))
        return
    if not line.level or _EXPECTED.search(line.message):
        return
    said = line.of_filter
    text = Text(f"{line.time[11:23]} ", style="dim")
    text.append(f"{line.level:<8} ", style=_STYLES.get(line.level, ""))
    if said is None:
        text.append(f"[{line.logger}] ", style="dim")
    text.append(line.message if said is None else said)
    console.print(text)


def _summary(console: Console, process: EnvoyProcess) -> None:
    """Print how many requests there were and what the filter's own metrics were."""
    with contextlib.suppress(OSError, UserError):
        for name, value in sorted(process.stats(_METRICS).items()):
            if value:
                console.print(f"  {name.removeprefix('wasmcustom.')}: {value}", style="dim")
