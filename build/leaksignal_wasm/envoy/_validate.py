"""`envoy --mode validate`: whether Envoy takes a configuration, without serving it."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaksignal_wasm.envoy._explain import explain
from leaksignal_wasm.envoy._find import EnvoyBinary, find_envoy
from leaksignal_wasm.envoy._log import LOG_FORMAT, parse_line

if TYPE_CHECKING:
    from collections.abc import Mapping


def validate(
    bootstrap: Mapping[str, Any], *, binary: EnvoyBinary | None = None, timeout: float = 120.0
) -> None:
    """Raise UserError with Envoy's own words if it does not accept `bootstrap`."""
    binary = binary or find_envoy()
    with tempfile.TemporaryDirectory(prefix="leaksignal-envoy-") as folder:
        config = Path(folder) / "envoy.json"
        config.write_text(json.dumps(bootstrap), encoding="utf-8")
        command = [*binary.command(), "--mode", "validate", "--config-path", str(config)]
        command += ["--log-format", LOG_FORMAT, "--log-format-escaped", "--log-level", "warning"]
        environment = {**os.environ, **binary.environment(Path(folder))}
        run = subprocess.run(command, capture_output=True, check=False, timeout=timeout, env=environment)
    if run.returncode:
        lines = [parse_line(line) for line in run.stderr.decode("utf-8", "replace").splitlines()]
        raise explain("Envoy does not accept this configuration", lines)
