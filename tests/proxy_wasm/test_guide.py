"""The guide's examples do what the guide says."""

from __future__ import annotations

import doctest
import re
from pathlib import Path
from types import ModuleType

import pytest

GUIDE = Path(__file__).parents[2] / "docs" / "sdk.md"
FENCE = re.compile(r"^```(python setup|python|pycon)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def sections() -> dict[str, list[tuple[str, str, int]]]:
    """Kind, text and line of each example, by the heading it stands under."""
    text = GUIDE.read_text()
    found: dict[str, list[tuple[str, str, int]]] = {}
    heads = [(match.start(), match[1]) for match in re.finditer(r"^##? (.+)$", text, re.MULTILINE)]
    for match in FENCE.finditer(text):
        heading = [title for start, title in heads if start < match.start()][-1]
        found.setdefault(heading, []).append((match[1], match[2], text[: match.start()].count("\n") + 2))
    return found


SECTIONS = sections()
SETUP = next(text for blocks in SECTIONS.values() for kind, text, _ in blocks if kind == "python setup")


@pytest.mark.parametrize(
    "heading", [heading for heading, blocks in SECTIONS.items() if blocks[0][0] != "python setup"]
)
def test_example(heading: str) -> None:
    module = ModuleType(re.sub(r"\W", "_", heading))
    exec(SETUP, module.__dict__)  # noqa: S102 - the guide's own code
    for kind, text, line in SECTIONS[heading]:
        if kind == "python":
            exec(compile("\n" * (line - 1) + text, GUIDE, "exec"), module.__dict__)  # noqa: S102 - as above
        else:
            test = doctest.DocTestParser().get_doctest(text, module.__dict__, heading, str(GUIDE), line)
            runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
            report: list[str] = []
            runner.run(test, out=report.append, clear_globs=False)
            assert not runner.failures, "".join(report)
            module.__dict__.update(test.globs)


def test_there_are_examples_for_what_the_guide_explains() -> None:
    assert len(SECTIONS) > 12
