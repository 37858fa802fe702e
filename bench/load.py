"""Load on a local port, by wrk."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from leaksignal_wasm.errors import UserError

# wrk's own report is for people; its `done` hook hands over the same numbers as one line of JSON.
_REPORT = """
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format('\\n@@{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "errors": %d}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw: counts, the seconds it took, latencies in microseconds."""

    requests: int
    seconds: float
    p50: int
    p99: int
    errors: int

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds


def drive(port: int, path: str = "/", *, seconds: float, connections: int = 16) -> Load:
    """Send GETs of `path` to a local port for so many seconds, one after the other on each connection."""
    with tempfile.TemporaryDirectory(prefix="leaksignal-bench-") as folder:
        script = Path(folder) / "report.lua"
        script.write_text(_REPORT, encoding="ascii")
        command = [find("wrk"), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "20s"]
        done = subprocess.run(
            [*command, "-s", str(script), f"http://127.0.0.1:{port}{path}"],
            capture_output=True,
            text=True,
            check=False,
        )
    _, mark, report = done.stdout.partition("@@")
    if not mark:
        raise UserError(f"wrk gave no report: {done.stdout}{done.stderr}".strip(), where=f"port {port}")
    numbers = json.loads(report)
    return Load(
        requests=numbers["requests"],
        seconds=numbers["microseconds"] / 1e6,
        p50=numbers["p50"],
        p99=numbers["p99"],
        errors=numbers["errors"],
    )


def find(program: str) -> str:
    """Return where a program is that a Debian package of `bench/debian-packages.txt` brings."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise UserError(
            f"{program} is not installed",
            remedy="apt-get install $(grep -v '#' bench/debian-packages.txt), or run `make bench`",
        )
    return found
