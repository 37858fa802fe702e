"""The Rust peers of `bench/peers/`, compiled to wasm on first use and kept in the cache."""

from __future__ import annotations

import enum
import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from leaksignal_wasm.envoy import cache_dir
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_REMEDY = (
    "install the Rust packages of bench/debian-packages.txt, or a toolchain that has the target: "
    "rustup target add wasm32-unknown-unknown"
)


class Peer(enum.Enum):
    """A variant of the peer: its name in tables, the folder of its regex crate, and the cargo feature."""

    NOOP = ("no-op", "regex-1.13", "")
    COPY = ("copy only", "regex-1.13", "copy")
    SET_1_7 = ("regex 1.7, RegexSet", "regex-1.7", "set")
    SET_1_13 = ("regex 1.13, RegexSet", "regex-1.13", "set")
    SEARCH_1_7 = ("regex 1.7, one by one", "regex-1.7", "search")
    SEARCH_1_13 = ("regex 1.13, one by one", "regex-1.13", "search")

    def __init__(self, title: str, folder: str, feature: str) -> None:
        self.title = title
        self.folder = folder
        self.feature = feature


@dataclass(frozen=True, slots=True)
class RustToolchain:
    """A cargo and rustc that can compile for `target`."""

    cargo: Path
    rustc: Path
    target: str
    build_std: bool
    """Whether the target's standard library has to be compiled too, from the toolchain's own source."""
    linker: Path | None
    identity: str
    """What `rustc --version --verbose` says."""

    def build(
        self, crate: Path, target_dir: Path, *, features: str = "", flags: str = "", profile: str = "release"
    ) -> None:
        """Compile `crate` with its lock file as it stands. Raises UserError with cargo's words."""
        command = [str(self.cargo), "build", "--locked", "--profile", profile, "--target", self.target]
        if features:
            command += ["--features", features]
        environment = {
            **os.environ,
            "CARGO_TARGET_DIR": str(target_dir),
            "RUSTC": str(self.rustc),
            "RUSTFLAGS": " ".join([*([f"-Clinker={self.linker}"] if self.linker else []), flags]).strip(),
        }
        if self.build_std:
            command += [
                "-Zbuild-std=std,panic_abort",
                "-Zbuild-std-features=",
            ]  # without backtraces: a third less
            environment["RUSTC_BOOTSTRAP"] = (
                "1"  # -Z options are for nightlies; Debian's packages are stable releases
            )
        done = subprocess.run(
            command, cwd=crate, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise UserError(f"cargo could not build it:\n{done.stderr.strip()}", where=str(crate))


def find_toolchain(target: str = "wasm32-unknown-unknown") -> RustToolchain:
    """Return a toolchain that can compile for `target`, one with a ready standard library first.

    Raises UserError if there is none.
    """
    found = [toolchain for rustc in _compilers() if (toolchain := _examine(rustc, target))]
    if not found:
        raise UserError(f"no Rust toolchain here can compile for {target}", remedy=_REMEDY)
    return min(found, key=lambda toolchain: toolchain.build_std)


def _compilers() -> Iterator[Path]:
    seen = set()
    for folder in [*os.get_exec_path(), "/usr/bin"]:
        rustc = Path(folder) / "rustc"
        if rustc.is_file() and (rustc.parent / "cargo").is_file() and rustc not in seen:
            seen.add(rustc)
            yield rustc


def _examine(rustc: Path, target: str) -> RustToolchain | None:
    version, sysroot = _ask(rustc, "-vV"), _ask(rustc, "--print=sysroot")
    if not version or not sysroot:
        return None  # a rustup shim without a default toolchain
    rustlib = Path(sysroot) / "lib" / "rustlib"
    ready = (rustlib / target / "lib").is_dir()
    if not ready and not (rustlib / "src" / "rust" / "library" / "Cargo.lock").is_file():
        return None
    linker = None if ready else _linker(version)
    if not ready and linker is None:
        return None
    return RustToolchain(rustc.parent / "cargo", rustc, target, not ready, linker, version)


def _ask(rustc: Path, question: str) -> str:
    return subprocess.run([rustc, question], capture_output=True, text=True, check=False).stdout.strip()


def _linker(version: str) -> Path | None:
    """Return a wasm-ld of the compiler's LLVM, else any; rustup's have their own, Debian's don't."""
    llvm = re.search(r"LLVM version: (\d+)", version)
    major = llvm[1] if llvm else ""
    found = shutil.which(f"wasm-ld-{major}") or shutil.which("wasm-ld")
    return Path(found) if found else None


@dataclass(slots=True)
class Peers:
    """Builds each peer once; the cache's key is everything that shapes it."""

    source: Path = Path(__file__).parent / "peers"
    built: dict[Peer, Path] = field(default_factory=dict)

    def module(self, peer: Peer) -> Path:
        """Return the peer's wasm file."""
        if peer not in self.built:
            self.built[peer] = self._build(peer)
        return self.built[peer]

    def _build(self, peer: Peer) -> Path:
        toolchain = find_toolchain()
        crate = self.source / peer.folder
        files = [Path(__file__), *sorted(crate.iterdir()), *sorted((self.source / "src").iterdir())]
        inputs = {path: path.read_bytes() for path in files}
        key = _key(inputs, toolchain.identity, peer.feature)
        finished = cache_dir() / "bench" / f"peer-{peer.name.lower()}-{key}.wasm"
        if not finished.exists():
            target_dir = cache_dir() / "bench" / "cargo"
            toolchain.build(crate, target_dir, features=peer.feature, flags="-Ctarget-feature=+simd128")
            finished.parent.mkdir(parents=True, exist_ok=True)
            result = target_dir / toolchain.target / "release" / "peer.wasm"
            shutil.copyfile(result, finished.with_suffix(".part"))
            finished.with_suffix(".part").replace(finished)
        return finished


def _key(inputs: Mapping[Path, bytes], *more: str) -> str:
    digest = hashlib.sha256("\0".join(more).encode())
    for path, content in inputs.items():
        digest.update(b"%s\0%d\0%s" % (path.name.encode(), len(content), content))
    return digest.hexdigest()[:16]
