"""The way of one build: start Python in wasm, import the filter, seal, snapshot, rewrite, validate, write."""

from __future__ import annotations

import gzip
import hashlib
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import wasmtime

from leaksignal_wasm import __version__
from leaksignal_wasm.builder.cache import write_atomically
from leaksignal_wasm.builder.failures import (
    explain_failure,
    explain_refusals,
    explain_timeout,
    explain_trap,
    explain_unavailable,
)
from leaksignal_wasm.builder.hostcalls import BuildHost, Observed
from leaksignal_wasm.builder.parts import Parts, load_parts
from leaksignal_wasm.builder.snapshot import ALWAYS, Shape, assemble, unneeded
from leaksignal_wasm.builder.sources import Sources
from leaksignal_wasm.builder.target import Target, parse_target
from leaksignal_wasm.builder.vm import KEEP_COMPILER, BuildVm, InternalError, VmTimeoutError, VmTrapError
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.guest import script
from leaksignal_wasm.hosts import CALLBACKS, GENERATIONS, refusals
from leaksignal_wasm.wasm import PAGE, Kind, Module

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

MIB: Final = 1 << 20

_CLEAR: Final = b"import sys as _s\nvars(_s.modules['__main__']).clear()"


@dataclass(frozen=True, slots=True)
class _Options:
    """What `build` was asked for, in its own words."""

    data: Mapping[str, bytes]
    path: Sequence[Path]
    max_memory: int | None
    keep_compiler: bool
    keep_names: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class BuildResult:
    """What came of a build."""

    output: Path
    sha256: str
    size: int
    gzip_size: int
    pages: int
    """Pages of 64 KiB that the memory of a VM starts with."""
    record: Mapping[str, Any]
    """What the module says of itself in its `leaksignal.build` section."""
    seconds: Mapping[str, float]
    warnings: Sequence[str]
    log: Sequence[str]
    """What the filter printed or logged while it was imported."""


def build(
    filter: str | Path,  # noqa: A002 - the word that users know it by
    *,
    output: Path,
    data: Mapping[str, bytes] | None = None,
    path: Sequence[Path] = (),
    max_memory: int | None = None,
    keep_compiler: bool = False,
    keep_names: bool = False,
    timeout: float = 60.0,
    progress: Callable[[str], None] = lambda _stage: None,
) -> BuildResult:
    """Build a module of a filter: a file, a package folder or `module:Class`.

    `data` is what `proxy_wasm.build_data(name)` gives the filter; `path` are folders searched for modules
    before the environment's; `max_memory` is the most MiB that one VM may use (`None` leaves it to the host);
    `keep_compiler` leaves `compile`, `exec` and `eval` of source usable in the module; `keep_names` leaves
    function names in, for the stack traces of traps; `timeout` is what importing the filter may take, in
    seconds; `progress` is told each stage as it begins.

    Raises `UserError` for all that is the user's to put right.
    """
    options = _Options(data or {}, path, max_memory, keep_compiler, keep_names, timeout)
    clock = _Stages(progress)
    _check_output(output)
    target = parse_target(filter)
    with clock("runtime"):
        parts = load_parts(progress)
    sources = Sources(target, parts.stdlib, python=parts.python, extra=options.path)
    host = BuildHost(sources, options.data)
    memory, done = _run(target, parts, host, options, clock)
    with clock("assemble"):
        shape = _shape(parts, done, options, len(memory) // PAGE)
        record = _record(target, parts, host, done, options)
        encoded = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
        binary = assemble(parts.runtime, memory, shape, encoded)
    with clock("validate"):
        _validate(binary)
    with clock("write"):
        try:
            write_atomically(output, binary)
        except OSError as error:
            raise UserError(f"can't be written: {error.strerror}", where=str(output)) from error
        gzip_size = len(gzip.compress(binary, 6, mtime=0))
    return BuildResult(
        output=output,
        sha256=hashlib.sha256(binary).hexdigest(),
        size=len(binary),
        gzip_size=gzip_size,
        pages=len(memory) // PAGE,
        record=record,
        seconds=clock.seconds,
        warnings=explain_unavailable(host.observed),
        log=host.observed.log,
    )


class _Stages:
    """Tells what goes on and notes how long it took."""

    def __init__(self, progress: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._progress(stage)
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)


def _check_output(output: Path) -> None:
    """Fail before the work rather than after it."""
    if output.is_dir():
        raise UserError("is a folder", where=str(output), remedy="name the file to write")
    if not output.parent.is_dir():
        raise UserError(
            "this folder does not exist", where=str(output.parent), remedy="make it, or write elsewhere"
        )


def _run(
    target: Target, parts: Parts, host: BuildHost, options: _Options, clock: _Stages
) -> tuple[bytes, Mapping[str, Any]]:
    """Bring the filter up in the build's VM; give the memory and what the guest reported."""
    with clock("compile"):
        vm = BuildVm(parts.runtime, host, timeout=options.timeout, maximum=(options.max_memory or 1024) * MIB)
    try:
        return _drive(vm, target, host.observed, options, clock)
    except VmTimeoutError:
        raise explain_timeout(target, host.observed, options.timeout) from None
    except VmTrapError as trap:
        raise explain_trap(target, host.observed, str(trap)) from trap


def _drive(
    vm: BuildVm, target: Target, observed: Observed, options: _Options, clock: _Stages
) -> tuple[bytes, Mapping[str, Any]]:
    with clock("start"):
        vm.start()
    with clock("import"):
        fine = vm.execute(script("bootstrap", target.module, target.class_name, sorted(options.data)))
    failed, done = observed.event("failed"), observed.event("done")
    if observed.refused:
        raise explain_refusals(target, observed, failed)
    if failed:
        raise explain_failure(target, observed, failed)
    if not fine or done is None:
        raise InternalError("the build's own Python failed:\n" + "\n".join(observed.log))
    log = list(observed.log)
    with clock("seal"):
        vm.execute(_CLEAR)
        vm.seal(KEEP_COMPILER if options.keep_compiler else 0)
        memory = vm.snapshot()
    with clock("measure"):
        vm.execute(script("measure"))
    measured = observed.event("measured")
    if measured is None:
        raise InternalError("the sealed interpreter can't be measured:\n" + "\n".join(observed.log))
    observed.log = log
    return memory, {**done, **measured}


def _shape(parts: Parts, done: Mapping[str, Any], options: _Options, pages: int) -> Shape:
    maximum = None if options.max_memory is None else options.max_memory * MIB // PAGE
    if maximum is not None and maximum < pages:
        raise UserError(
            f"the filter takes {pages * PAGE / MIB:.1f} MiB before the first request, "
            f"--max-memory allows {options.max_memory}",
            remedy=f"allow at least {-(-pages * PAGE // MIB) + 8}",
        )
    dropped = unneeded(parts.groups, done["builtin"], keep_compiler=options.keep_compiler)
    return Shape(
        callbacks=frozenset(done["callbacks"]),
        functions=frozenset(f for name in dropped for f in parts.groups[name]["functions"]),
        zeroed=tuple((a, n) for name in dropped for a, n in parts.groups[name]["data"]),
        maximum_pages=maximum,
        keep_names=options.keep_names,
    )


def _record(
    target: Target, parts: Parts, host: BuildHost, done: Mapping[str, Any], options: _Options
) -> dict[str, Any]:
    """Describe the module: the same inputs give the same record, and nothing in it names the machine."""
    modules = sorted(host.observed.loaded.values(), key=lambda x: (x.origin.value, x.name))
    return {
        "format": 1,
        "toolchain": __version__,
        "python": parts.python,
        "runtime": parts.key,
        "filter": f"{target.module}:{done['plugin']}",
        "callbacks": sorted(set(done["callbacks"]) & set(CALLBACKS)),
        "builtin": sorted(done["builtin"]),
        "compiler": options.keep_compiler,
        "data": {name: len(content) for name, content in sorted(options.data.items())},
        "modules": [
            {
                "name": x.name,
                "origin": x.origin.value,
                "source": len(x.text),
                "heap": done["heap"].get(x.name, 0),
            }
            for x in modules
            if x.name in done["heap"]
        ],
    }


def _validate(binary: bytes) -> None:
    """Hold the finished module against the engine, each generation of hosts, and the ABI."""
    store = wasmtime.Store()
    try:
        wasmtime.Module.validate(store.engine, binary)
    except wasmtime.WasmtimeError as error:
        raise InternalError(f"the finished module is not valid: {error}") from error
    module = Module.parse(binary)
    for generation in GENERATIONS:
        refused = refusals(module, generation)
        if refused:
            raise InternalError(f"{generation.name} would refuse the module: {'; '.join(refused)}")
    for export in module.exports:
        wanted = CALLBACKS.get(export.name)
        if wanted is not None and export.kind is Kind.FUNCTION and module.signature(export.index) != wanted:
            raise InternalError(f"{export.name} is {module.signature(export.index)}, not {wanted}")
    missing = ALWAYS - {x.name for x in module.exports}
    if missing:
        raise InternalError(f"the finished module lacks {', '.join(sorted(missing))}")
