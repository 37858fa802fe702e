"""What the measurements share: how thorough to be, and the modules to measure, each built once a run."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Self

from bench.gateway import Subject
from bench.rust import Peer, Peers
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from types import TracebackType

FILTERS = Path(__file__).parent / "filters"


@dataclass(slots=True)
class Workshop:
    """A context manager: built modules live in its folder."""

    quick: bool = False
    """Fewer rounds, fewer requests: shows that it works, and roughly what comes out."""
    peers: Peers = field(default_factory=Peers)
    _folder: Path | None = None
    _built: dict[str, Path] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="leaksignal-bench-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder)

    def rounds(self, thorough: int) -> int:
        """Return how many rounds to make instead of `thorough`."""
        return max(2, thorough // 4) if self.quick else thorough

    def python(self, name: str) -> Subject:
        """Return `bench/filters/NAME.py`, built."""
        if name not in self._built:
            self.build(name)
        return Subject(f"Python: {name}", self._built[name])

    def build(self, name: str) -> float:
        """Build `bench/filters/NAME.py` by the command line, as users do; return the seconds it took."""
        if self._folder is None:
            raise RuntimeError("the workshop is used as a context manager")
        output = self._folder / f"{name}.wasm"
        command = [
            sys.executable,
            "-m",
            "leaksignal_wasm",
            "build",
            str(FILTERS / f"{name}.py"),
            "-o",
            str(output),
        ]
        began = time.perf_counter()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        took = time.perf_counter() - began
        if done.returncode:
            raise UserError(
                f"the build failed:\n{done.stdout}{done.stderr}".rstrip(), where=f"bench/filters/{name}.py"
            )
        self._built[name] = output
        return took

    def noop(self) -> Subject:
        """Return the Rust module that does nothing: what the Python filters' cost is counted from."""
        return self.peer(Peer.NOOP)

    def peer(self, peer: Peer) -> Subject:
        """Return a Rust peer, built."""
        return Subject(f"Rust: {peer.title}", self.peers.module(peer))
