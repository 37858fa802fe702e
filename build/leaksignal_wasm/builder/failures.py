"""What went wrong with a filter, told to the person who wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from leaksignal_wasm.builder.vm import InternalError
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from leaksignal_wasm.builder.hostcalls import Observed
    from leaksignal_wasm.builder.sources import Absent
    from leaksignal_wasm.builder.target import Target


def explain_failure(target: Target, observed: Observed, failed: Mapping[str, Any]) -> UserError:
    """Turn the guest's report of an exception into an error with the user's own traceback."""
    if observed.step in ("sdk", "warm"):
        raise InternalError(f"the SDK failed in the step '{observed.step}':\n{failed['traceback']}")
    if observed.step == "discover":
        return UserError(failed["message"], where=_shown(target, observed))
    absent = _culprit(observed, failed["missing"]) if "ImportError" in failed["bases"] else None
    if absent:
        return explain_absent(target, observed, *absent)
    what = {
        "import": "the filter can't be imported",
        "prepare": "prepare() of the plugin failed",
        "deferred": "a module that the filter imports inside of a function can't be imported",
        "callbacks": "the plugin can't be set up",
    }[observed.step]
    traceback = failed["traceback"]
    placed = 'File "' in traceback  # what the compiler itself can't take has no place of its own
    where = None if placed else " -> ".join(_path(observed, name) for name in observed.failed_in)
    return UserError(f"{what}\n\n{_indent(traceback)}", where=where)


def _culprit(observed: Observed, missing: str) -> tuple[Absent, tuple[str, ...]] | None:
    """Find the unavailable module behind an ImportError that names it or the package it should be in."""
    if missing in observed.absent:
        return observed.absent[missing]
    inside = [x for name, x in observed.absent.items() if name.rpartition(".")[0] == missing and missing]
    return inside[-1] if inside else None


def explain_absent(target: Target, observed: Observed, absent: Absent, chain: Sequence[str]) -> UserError:
    """Name the module that can't come along, the chain of imports that leads to it, and why."""
    links = [_path(observed, name) for name in chain] or [_shown(target, observed)]
    return UserError(
        f"cannot import {absent.name}: {absent.reason}",
        where=" -> ".join([*links, absent.name]),
        remedy=absent.remedy,
    )


def explain_refusals(target: Target, observed: Observed, failed: Mapping[str, Any] | None) -> UserError:
    """Say which host call was made before there was a host."""
    call, chain = observed.refused[0]
    place = _path(observed, chain[-1]) if chain else _shown(target, observed)
    trace = f"\n\n{_indent(failed['traceback'])}" if failed else ""
    return UserError(
        f"proxy_{call} was called while the filter was being built; there is no proxy to answer yet{trace}",
        where=place,
        remedy="call it in on_configure of the plugin, or in a callback of a stream",
    )


def explain_timeout(target: Target, observed: Observed, seconds: float) -> UserError:
    """Say what was being imported when the time was over."""
    chain = " -> ".join(_path(observed, name) for name in observed.importing)
    doing = f"importing {observed.importing[-1]}" if observed.importing else f"in the step '{observed.step}'"
    return UserError(
        f"still {doing} after {seconds:g} seconds",
        where=chain or _shown(target, observed),
        remedy="look for an endless loop at module level, or give it more time with --timeout",
    )


def explain_trap(target: Target, observed: Observed, message: str) -> UserError:
    """Say where the interpreter itself came to an end."""
    doing = f"importing {observed.importing[-1]}" if observed.importing else f"the step '{observed.step}'"
    chain = " -> ".join(_path(observed, name) for name in observed.importing)
    log = "\n".join(observed.log[-20:]).strip()
    return UserError(
        f"the interpreter crashed while {doing}: {message}" + (f"\n\n{_indent(log)}" if log else ""),
        where=chain or _shown(target, observed),
    )


def explain_unavailable(observed: Observed) -> list[str]:
    """Warn of each import inside of a function that will fail when the function runs."""
    return [
        f"{source.shown}:{deferred.line} imports {deferred.entry.partition(':')[0]} when its function runs; "
        f"that will fail: {_reason(observed, deferred.entry)}"
        for source, deferred in observed.deferred
        if deferred.entry in observed.unavailable and not deferred.guarded
    ]


def _reason(observed: Observed, entry: str) -> str:
    absent = observed.absent.get(entry.partition(":")[0])
    return absent[0].reason if absent else observed.unavailable[entry]


def _path(observed: Observed, name: str) -> str:
    source = observed.loaded.get(name)
    return source.shown if source else name


def _shown(target: Target, observed: Observed) -> str:
    return _path(observed, target.module)


def _indent(text: str) -> str:
    return "\n".join(f"  {line}".rstrip() for line in text.rstrip().splitlines())
