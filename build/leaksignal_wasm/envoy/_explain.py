"""From Envoy's last words to an error for people."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaksignal_wasm.envoy._log import LogLine

_MOST_LINES = 8
_MOST_CHARACTERS = 2000  # of one line: Envoy quotes whole configurations
_NOISE = re.compile(r"^(exiting$|starting: |Caught Terminated|error: exit status)")

_CAUSES: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (
        re.compile(r"cannot bind '(?P<where>[^']*)'.*(?:in use|assigned)", re.DOTALL),
        "its port {where} is taken",
        "stop what listens there, or choose another port (0 for a free one)",
    ),
    (
        re.compile(
            r"(?:invalid path|unable to read file|Unable to read|file not found)[: ]+(?P<where>\S+)",
            re.IGNORECASE,
        ),
        "it cannot read {where}",
        "check the path and who may read it",
    ),
    (
        re.compile(
            r"Failed to (?:load Wasm|initialize Wasm|add import)|Missing import|Unable to create Wasm|"
            r"Wasm missing|Wasm config failed",
            re.IGNORECASE,
        ),
        "it does not accept the module, or the module does not accept its configuration",
        "see the module's own lines above; `leaksignal-wasm inspect` shows what it imports",
    ),
    (
        re.compile(r"Protobuf message|no such field|INVALID_ARGUMENT|Proto constraint validation failed"),
        "it does not accept its configuration",
        "compare the field named above with Envoy's API of this version",
    ),
)


def explain(what: str, lines: Sequence[LogLine], *, where: str | None = None) -> UserError:
    """Return the error for `what` went wrong, with the lines that tell why, and a remedy if one is known."""
    telling = _telling(lines)
    text = "\n".join(line.message for line in lines)
    causes = ((cause.search(text), meaning, remedy) for cause, meaning, remedy in _CAUSES)
    meaning, remedy = next(
        ((meaning.format(**match.groupdict()), remedy) for match, meaning, remedy in causes if match),
        (None, None),
    )
    heading = what if meaning is None else f"{what}: {meaning}"
    shown = "".join(f"\n  {str(line)[:_MOST_CHARACTERS]}" for line in telling)
    return UserError(heading + shown, where=where, remedy=remedy)


def _telling(lines: Sequence[LogLine]) -> list[LogLine]:
    """Return the last lines worth reading: errors and what the module said, else the very last ones."""
    words = [line for line in lines if line.message.strip() and not _NOISE.search(line.message)]
    loud = [
        line for line in words if line.level in ("error", "critical", "warning", "") or line.logger == "wasm"
    ]
    return list(dict.fromkeys(loud or words))[-_MOST_LINES:]
