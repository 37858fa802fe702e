"""The README is true: its commands run, and print what it shows."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "leaksignal_wasm"]
STARTS_WITH = "$ leaksignal-wasm "


def console_blocks() -> list[list[str]]:
    text = (ROOT / "README.md").read_text()
    return [
        block.splitlines() for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    ]


def arguments(line: str) -> list[str]:
    return shlex.split(line.removeprefix(STARTS_WITH), comments=True)


def shape(line: str) -> str:
    """A line of output without what differs from run to run."""
    return re.sub(r"\d+(\.\d+)?", "0", " ".join(line.split()))


@pytest.mark.envoy
@pytest.mark.xdist_group("readme")
@pytest.mark.timeout(300)
def test_make_run_prints_what_the_readme_shows() -> None:
    run = subprocess.run([ROOT / "tools" / "run"], capture_output=True, text=True, check=True, timeout=290)
    printed = {shape(line) for line in run.stdout.splitlines()}
    shown = [block for block in console_blocks() if block[0].startswith(STARTS_WITH) and len(block) > 3]
    assert len(shown) >= 2
    for block in shown[:2]:
        missing = [line for line in block if line.strip() != "..." and shape(line) not in printed]
        assert missing == []


@pytest.mark.envoy
@pytest.mark.xdist_group("readme")
@pytest.mark.timeout(300)
def test_the_commands_for_a_filter_of_ones_own_run(tmp_path: Path) -> None:
    [block] = [block for block in console_blocks() if block[0].startswith("$ leaksignal-wasm init")]
    folder = tmp_path
    for line in block:
        if line.startswith("$ cd "):
            folder = folder / line.split()[2]
        elif arguments(line)[0] == "run":
            serve([*COMMAND, *arguments(line)], folder)
        else:
            run = subprocess.run(
                [*COMMAND, *arguments(line)],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
            assert run.returncode == 0, run.stderr


def serve(command: list[str], folder: Path) -> None:
    """Start a server, see that it says where it listens, and stop it as Ctrl-C does."""
    with subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout
        said = next((line for line in process.stdout if "http://127.0.0.1:" in line), "")
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        assert process.wait(30) == 0
    assert said
