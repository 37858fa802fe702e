"""The compiler: clang and wasm-ld out of the `ziglang` wheel."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime._paths import cache_folder
from leaksignal_wasm.runtime._tables import COMPILER_VERSION

if TYPE_CHECKING:
    from pathlib import Path

TARGET = ("-target", "wasm32-wasi")
COMMON_FLAGS = (
    *TARGET,
    "-g0",
    "-fvisibility=hidden",
    "-fno-sanitize=undefined",  # zig's default for C; traps are ours to place
    "-mno-bulk-memory",
    "-D_WASI_EMULATED_SIGNAL",
    "-D_WASI_EMULATED_GETPID",
    "-D_WASI_EMULATED_PROCESS_CLOCKS",
)


@dataclass(frozen=True)
class Unit:
    """One source file to compile."""

    source: Path
    output: Path
    flags: tuple[str, ...]
    cplusplus: bool = False


def require() -> None:
    """Raise a UserError unless the right compiler is installed."""
    try:
        version = metadata.version("ziglang")
    except metadata.PackageNotFoundError:
        version = ""
    if importlib.util.find_spec("ziglang") is None or version != COMPILER_VERSION:
        found = f"ziglang {version} is installed" if version else "the package ziglang is not installed"
        raise UserError(
            f"building the runtime needs ziglang {COMPILER_VERSION}, but {found}",
            remedy="pip install 'leaksignal-wasm[runtime]', or install a wheel of leaksignal-wasm, which ships "
            "the built runtime",
        )


def _zig(arguments: list[str], **environment: str) -> str:
    """Run one of zig's tools and return what it said; its complaint becomes a UserError."""
    zig_cache = str(cache_folder(f"zig-{COMPILER_VERSION}"))
    environment = {
        **os.environ,
        "ZIG_GLOBAL_CACHE_DIR": zig_cache,
        "ZIG_LOCAL_CACHE_DIR": zig_cache,
        **environment,
    }
    command = [sys.executable, "-m", "ziglang", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if result.returncode != 0:
        raise UserError(
            f"the compiler refused:\n{result.stderr.strip()[-4000:]}",
            where=next((a for a in arguments if a.endswith((".c", ".cc"))), "linking the runtime"),
        )
    return result.stderr


def compile_all(units: list[Unit]) -> None:
    """Compile on as many cores as there are."""

    def one(unit: Unit) -> None:
        unit.output.parent.mkdir(parents=True, exist_ok=True)
        driver = "c++" if unit.cplusplus else "cc"
        _zig([driver, "-c", *COMMON_FLAGS, *unit.flags, "-o", str(unit.output), str(unit.source)])

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        list(pool.map(one, units))


def system_libraries(work: Path) -> tuple[list[str], list[str]]:
    """Return the start files and the libraries (libc, libc++, compiler-rt) that zig has built for itself.

    Its own driver puts libc before our objects and refuses most of the linker's options, so we only ask it for paths:
    it prints its linker command for a program of one line.
    """
    source = work / "probe.cc"
    source.write_text("int probe() { return 0; }\n", encoding="utf-8")
    probe = ["c++", *TARGET, "-mexec-model=reactor", "-O2", str(source), "-o", str(work / "probe.wasm")]
    line = next(
        (line for line in _zig(probe, ZIG_VERBOSE_LINK="1").splitlines() if line.startswith("wasm-ld ")), ""
    )
    words = line.split()
    start = [word for word in words if word.endswith("crt1-reactor.o")]
    libraries = [word for word in words if word.endswith(".a")]
    if not start or not libraries:
        raise UserError(f"zig does not say how it links: {line!r}", where="linking the runtime")
    return start, libraries


@dataclass(frozen=True)
class Inputs:
    """What is linked, in this order but for `start`, which goes first."""

    objects: list[Path]
    archives: list[Path]
    start: list[str]
    libraries: list[str]


def link(inputs: Inputs, output: Path, options: tuple[str, ...]) -> None:
    """Link a reactor module; archives of ours come before zig's, whose stubs would clash with CPython's."""
    arguments = [
        "wasm-ld",
        "-o",
        str(output),
        "--entry",
        "_initialize",
        "--fatal-warnings",
        *options,
        *inputs.start,
    ]
    _zig([*arguments, *map(str, inputs.objects), *map(str, inputs.archives), *inputs.libraries])
