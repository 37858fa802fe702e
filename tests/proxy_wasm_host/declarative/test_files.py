from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_wasm_host.declarative import TestFileError, load_tests

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("text", "where", "what", "remedy"),
    [
        ("tests: [", ":1", "not YAML", None),
        ("", "", "an empty file", None),
        ("- 1", ":1", "a mapping is expected, found a list", None),
        ("filter: f.py", ":1", "there are no tests in it", "add a list called `tests`"),
        ("test: []", ":1: test", "unknown key 'test'", "did you mean 'tests'?"),
        ("tests:\n- {}", ":2: tests[0]", "a test needs a name", "add `name`"),
        ("tests:\n- {name: a}\n- {name: a}", ":3: tests[1]", "two tests are called 'a'", None),
        ("tests:\n- {name: a, name: b}", ":2: tests[0]", "'name' stands here twice", None),
        (
            "tests:\n- name: a\n  request:\n    pth: /",
            ":4: tests[0].request.pth",
            "unknown key 'pth'",
            "did you mean 'path'?",
        ),
        (
            "tests:\n- name: a\n  expect:\n    client:\n      header: {}",
            ":5: tests[0].expect.client.header",
            "unknown key 'header'",
            "did you mean 'headers'?",
        ),
        (
            "tests:\n- name: a\n  expect: {zzz: 1}",
            ":3: tests[0].expect.zzz",
            "unknown key 'zzz'",
            "known here: upstream, client, local_response, actions, logs, no_logs, metrics, calls, failure",
        ),
        ("tests:\n- {name: a, repeat: 0}", ":2: tests[0].repeat", "a number of at least 1 is expected", None),
        (
            "tests:\n- {name: a, request: {body: {base64: '!'}}}",
            ":2: tests[0].request.body.base64",
            "not base64",
            None,
        ),
        (
            "tests:\n- {name: a, request: {body: {text: a, hex: 00}}}",
            ":2: tests[0].request.body",
            "one form of content is expected",
            "write one of text, base64, hex, json, file",
        ),
        (
            "tests:\n- {name: a, request: {body: {file: none}}}",
            ":2: tests[0].request.body.file",
            "can't read none",
            None,
        ),
        ("tests:\n- {name: a, request: {raw: x}}", ":2: tests[0].request.raw", "not a request line", None),
        (
            "tests:\n- {name: a, request: {raw: GET / HTTP/1.1, path: /}}",
            ":2: tests[0].request.raw",
            "`raw` and `path` exclude each other",
            None,
        ),
        ("tests:\n- {name: a, capture: none.har}", ":2: tests[0].capture", "none.har: can't be read", None),
        (
            "tests:\n- {name: a, steps: [], request: {}}",
            ":2: tests[0].request",
            "`steps` and `request`",
            None,
        ),
        (
            "tests:\n- {name: a, tcp: [{client: a, upstream: b}]}",
            ":2: tests[0].tcp[0]",
            "one side speaks",
            None,
        ),
        (
            "tests:\n- {name: a, tcp: [], request: {}}",
            ":2: tests[0].request",
            "`tcp` and `request` exclude",
            None,
        ),
        ("tests:\n- {name: a, clock: soon}", ":2: tests[0].clock", "a time is expected, found 'soon'", None),
        (
            "tests:\n- {name: a, expect: {actions: {request_headers: stop}}}",
            ":2: tests[0].expect.actions.request_headers",
            "no action 'stop'",
            "known: continue, pause",
        ),
        (
            "tests:\n- {name: a, expect: {logs: [{level: loud}]}}",
            ":2: tests[0].expect.logs[0].level",
            "no log level 'loud'",
            None,
        ),
        (
            "tests:\n- {name: a, expect: {client: {body: {matches: '('}}}}",
            ":2: tests[0].expect.client.body.matches",
            "not a regular expression",
            None,
        ),
    ],
)
def test_a_mistake_names_file_line_and_path(
    tmp_path: Path, text: str, where: str, what: str, remedy: str | None
) -> None:
    file = tmp_path / "t.yaml"
    file.write_text(text)
    with pytest.raises(TestFileError) as caught:
        load_tests(file)
    assert caught.value.where == f"{file}{where}"
    assert what in caught.value.what
    if remedy is not None:
        assert caught.value.remedy == remedy


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(TestFileError, match="can't be read: No such file"):
        load_tests(tmp_path / "none.yaml")


def test_an_alias_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("tests: &a [*a]")
    with pytest.raises(TestFileError):
        load_tests(tmp_path / "t.yaml")


def test_what_a_file_sets_up_holds_for_all_its_tests_and_gives_way(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(
        "filter: sub/f.py\nconfiguration: a\nproperties: {x: 1, y: 2}\nquirks: false\n"
        "tests:\n- {name: a}\n- {name: b, configuration: {b: 1}, properties: {y: 3}}\n"
    )
    first, second = load_tests(tmp_path / "t.yaml")
    assert first.filter == str(tmp_path / "sub" / "f.py")
    assert (first.setup.configuration, first.setup.properties) == (b"a", {"x": 1, "y": 2})
    assert (second.setup.configuration, second.setup.properties) == (b'{"b": 1}', {"x": 1, "y": 3})
    assert not second.setup.quirks
