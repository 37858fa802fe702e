"""The figures as a table for people and as JSON for keeping."""

from __future__ import annotations

import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from leaksignal_wasm.envoy import find_envoy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.figures import Figure


def show(results: Mapping[str, Sequence[Figure]]) -> None:
    """Print one table, a section for each measurement."""
    table = Table(title=_machine(), title_justify="left")
    for heading in ("", "measured", "to reach", "", "note"):
        numbers = heading in {"measured", "to reach"}
        table.add_column(heading, justify="right" if numbers else "left", no_wrap=heading != "note")
    for figures in results.values():
        for figure in figures:
            table.add_row(
                figure.name,
                f"{_number(figure.value)} {figure.unit}",
                _limit(figure),
                _verdict(figure),
                figure.note,
            )
        table.add_section()
    Console(width=None if sys.stdout.isatty() else 150).print(table)


def save(path: Path, results: Mapping[str, Sequence[Figure]]) -> None:
    """Write the figures and where they come from as JSON."""
    document = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": _machine(),
        "figures": {name: [_plain(figure) for figure in figures] for name, figures in results.items()},
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _plain(figure: Figure) -> dict[str, Any]:
    limit = None if figure.limit is None else figure.limit.value
    shown = {"name": figure.name, "value": figure.value, "unit": figure.unit, "note": figure.note}
    return shown if limit is None else {**shown, "limit": limit, "met": figure.met}


def _machine() -> str:
    envoy = find_envoy().version()
    python = platform.python_version()
    busy = os.getloadavg()[2]  # who shared the machine in the last quarter of an hour, the bench included
    return f"Envoy {envoy}, Python {python}, {os.cpu_count()} cores, {_processor()}, load {busy:.1f}"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.1f}"


def _limit(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    words = "at least" if figure.limit.at_least else "at most"
    return f"{words} {_number(figure.limit.value)} {figure.unit}".rstrip()


def _verdict(figure: Figure) -> str:
    return {None: "", True: "[green]met[/]", False: "[red]missed[/]"}[figure.met]
