from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from bench.__main__ import main
from bench.bodies import bodies
from bench.figures import Figure, at_least, at_most
from bench.goals import GOALS
from bench.table import save, show
from click.testing import CliRunner

PATTERNS = Path(__file__).parents[2] / "bench" / "peers" / "src" / "patterns.rs"


@pytest.mark.parametrize(
    ("figure", "met"),
    [
        (Figure("size", 5.0, "MB", at_most(5.0)), True),
        (Figure("size", 5.1, "MB", at_most(5.0)), False),
        (Figure("replay", 1500, "streams/s", at_least(1500)), True),
        (Figure("replay", 1499, "streams/s", at_least(1500)), False),
        (Figure("start", 1.0, "s"), None),
    ],
)
def test_a_figure_knows_whether_it_keeps_its_limit(figure: Figure, met: bool | None) -> None:
    assert figure.met is met


def test_figures_are_shown_and_saved_with_their_limits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = {"size": [Figure("module", 3.32, "MB", at_most(5.0), "plain")]}
    show(results)
    shown = capsys.readouterr().out
    assert re.search(r"module .* 3\.32 MB .* at most 5 MB .* met .* plain", shown)
    save(tmp_path / "figures.json", results)
    saved = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    assert saved["figures"]["size"][0] == {
        "name": "module", "value": 3.32, "unit": "MB", "note": "plain", "limit": 5.0, "met": True,
    }  # fmt: skip


def test_bodies_are_the_same_each_time_and_findings_only_where_said() -> None:
    files = bodies()
    assert files == bodies()
    ssn = re.compile(rb"\b\d{3}-\d{2}-\d{4}\b")
    for name, content in files.items():
        assert bool(ssn.search(content)) == ("found" in name)


def test_each_measurement_can_be_named() -> None:
    listed = CliRunner().invoke(main, ["--list"])
    assert listed.exit_code == 0
    assert [line.split()[0] for line in listed.output.splitlines()] == list(GOALS)


def test_an_unknown_measurement_is_refused_by_name() -> None:
    refused = CliRunner().invoke(main, ["speed"])
    assert refused.exit_code == 2
    assert "speed" in refused.output


def test_the_peer_searches_for_fifteen_patterns() -> None:
    text = PATTERNS.read_text(encoding="utf-8")
    assert len(re.findall(r'^ {4}(?:\("\w+"|\($)', text, re.MULTILINE)) == 15
