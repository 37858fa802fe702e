"""Random patterns and texts: pyre2 and ours agree, where pyre2 is right."""

from __future__ import annotations

import importlib.util
import os
import re
import warnings
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
import re2 as pyre2  # type: ignore[import-not-found]  # it has no types
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.re2.native import built

if TYPE_CHECKING:
    from types import ModuleType


@cache
def ours() -> ModuleType:
    """Our module under its own name beside pyre2, which keeps its place in sys.modules."""
    spec = importlib.util.spec_from_file_location("re2", built("re2"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


LETTERS = "ab_1 \nüé€\U0001d4b3"
ATOMS = [
    *"ab1_ü€",
    ".",
    r"\w",
    r"\W",
    r"\d",
    r"\s",
    r"\S",
    "[ab]",
    "[^a]",
    r"[\dü]",
    "[^b-ü]",
    "^",
    "$",
    r"\b",
    r"\B",
    r"\A",
]


def is_never_empty(pattern: str) -> bool:
    """Whether it matches at least a letter. What may match nothing is not repeated here: pyre2's wheel carries an older
    RE2, which drops the group of (?:(a*))* (see cases.py)."""
    return not re.search(r"(?<!\[)\^|\$|\\[bBA]", pattern) and not re.fullmatch(pattern, "")


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,2}", "{0,1}?"])
    return st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.tuples(inner, inner).map("|".join),
        inner.map("({})".format),
        st.tuples(inner.filter(is_never_empty), repeats).map(lambda parts: f"(?:{parts[0]}){parts[1]}"),
    )


PATTERNS = st.recursive(st.sampled_from(ATOMS), grown, max_leaves=6)
TEXTS = st.text(alphabet=LETTERS, max_size=12)
FLAGS = st.sampled_from(
    [0, re.IGNORECASE, re.MULTILINE, re.DOTALL, re.ASCII, re.IGNORECASE | re.MULTILINE | re.DOTALL]
).map(int)
MORE = settings(
    max_examples=int(os.environ.get("EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def outcome(call: Any, *arguments: Any) -> Any:
    try:
        return call(*arguments)
    except (pyre2.error, TypeError, IndexError) as error:
        return type(error).__name__


def described(match: Any) -> Any:
    if match is None:
        return None
    return match.regs, match.groups(), match.group(), match.lastindex, match.endpos


def pair(pattern: Any, flags: int) -> tuple[Any, Any]:
    theirs, mine = (outcome(module.compile, pattern, flags) for module in (pyre2, ours()))
    assume(isinstance(theirs, pyre2.Pattern))
    assert isinstance(mine, ours().Pattern), (pattern, mine)
    return theirs, mine


def has_empty_matches(pattern: Any, text: Any) -> bool:
    return any(begin == end for begin, end in (match.span() for match in pattern.finditer(text)))


@MORE
@given(PATTERNS, TEXTS, FLAGS)
def test_single_matches_of_str(pattern: str, text: str, flags: int) -> None:
    theirs, mine = pair(pattern, flags)
    for name in ("search", "match", "fullmatch"):
        expected, found = described(getattr(theirs, name)(text)), described(getattr(mine, name)(text))
        if expected:
            expected = (*expected[:-1], len(text))  # pyre2 counts bytes there
        assert found == expected, name
    assert mine.contains(text) == theirs.contains(text)


@MORE
@given(PATTERNS, TEXTS, FLAGS)
def test_single_matches_of_bytes(pattern: str, text: str, flags: int) -> None:
    theirs, mine = pair(pattern.encode(), flags & ~re.ASCII)
    data = text.encode()
    for name in ("search", "match", "fullmatch"):
        assert described(getattr(mine, name)(data)) == described(getattr(theirs, name)(data)), name


@MORE
@given(
    st.recursive(
        st.sampled_from([*"ab\xe2\xe3\x80\xff", ".", "[^a]", "[\x80-\xe2]", r"\w", r"\W"]),
        grown,
        max_leaves=8,
    ),
    st.text(alphabet="ab\xe2\xe3\x80\xff\xc3", max_size=12),
    FLAGS,
)
def test_bytes_of_any_value(pattern: str, text: str, flags: int) -> None:
    theirs, mine = pair(pattern.encode("latin-1"), flags & ~re.ASCII)
    data = text.encode("latin-1")
    assert described(mine.search(data)) == described(theirs.search(data))
    assert mine.contains(data) == theirs.contains(data)
    assert [m.regs for m in mine.finditer(data)] == [m.regs for m in theirs.finditer(data)]
    assert mine.split(data) == theirs.split(data)


@MORE
@given(PATTERNS, TEXTS, FLAGS, st.integers(0, 3), st.integers(0, 3))
def test_part_of_a_text(pattern: str, text: str, flags: int, left: int, right: int) -> None:
    theirs, mine = pair(pattern, flags)
    begin, end = left, len(text) - right
    assume(begin < end)
    for name in ("search", "match", "fullmatch"):
        expected, found = getattr(theirs, name)(text, begin, end), getattr(mine, name)(text, begin, end)
        assert (found and found.regs) == (expected and expected.regs), name


@MORE
@given(PATTERNS, TEXTS, FLAGS)
def test_all_matches(pattern: str, text: str, flags: int) -> None:
    theirs, mine = pair(pattern, flags)
    assume(text.isascii() or not has_empty_matches(mine, text))
    assert mine.findall(text) == theirs.findall(text)
    assert [m.regs for m in mine.finditer(text)] == [m.regs for m in theirs.finditer(text)]
    assert mine.count(text) == theirs.count(text)
    assert mine.split(text) == theirs.split(text)
    assert mine.split(text, 1) == theirs.split(text, 1)


@MORE
@given(
    PATTERNS,
    TEXTS,
    FLAGS,
    st.sampled_from(["", "-", "ü", r"\\", r"\1", r"<\1\2>", r"\g<0>", r"\n"]),
    st.integers(0, 3),
)
def test_substitution(pattern: str, text: str, flags: int, template: str, count: int) -> None:
    theirs, mine = pair(pattern, flags)
    plain = "\\" not in template.replace(r"\\", "") and count <= 1
    if not plain or not text.isascii():
        assume(not has_empty_matches(mine, text))
    assert outcome(mine.subn, template, text, count) == outcome(theirs.subn, template, text, count)


@MORE
@given(PATTERNS, TEXTS, FLAGS, st.integers(0, 3))
def test_substitution_by_calls(pattern: str, text: str, flags: int, count: int) -> None:
    theirs, mine = pair(pattern, flags)
    assume(text.isascii() or not has_empty_matches(mine, text))

    def call(match: Any) -> str:
        return f"{match.regs}{match.group()}"

    assert mine.subn(call, text, count) == theirs.subn(call, text, count)


@MORE
@given(PATTERNS, TEXTS)
def test_empty_matches_lie_between_characters(pattern: str, text: str) -> None:
    """The counterpart of what is left out above: a text of wide letters gives what its ASCII image gives."""
    assume(not re.search(r"\\[wWbBdDsS]|ü|€", pattern))
    wide = str.maketrans({"a": "\U0001d4b6", "b": "€"})
    narrow_text = "".join(letter if letter.isascii() else "_" for letter in text)
    narrow = pyre2.compile(pattern)
    assume(isinstance(narrow, pyre2.Pattern))
    mine = ours().compile(pattern.translate(wide))
    assert [m.regs for m in mine.finditer(narrow_text.translate(wide))] == [
        m.regs for m in narrow.finditer(narrow_text)
    ]


@MORE
@given(st.lists(PATTERNS, min_size=1, max_size=6), TEXTS, FLAGS, st.sampled_from([0, 1, 2]))
def test_a_set_finds_what_its_patterns_find(patterns: list[str], text: str, flags: int, anchor: int) -> None:
    patterns_set = ours().Set(anchor, flags)
    for pattern in patterns:
        assume(isinstance(outcome(patterns_set.add, pattern), int))
    patterns_set.compile()
    method = ("search", "match", "fullmatch")[anchor]
    expected = [
        index
        for index, pattern in enumerate(patterns)
        if getattr(ours().compile(pattern, flags), method)(text) is not None
    ]
    assert patterns_set.match(text) == expected
    assert patterns_set.match(bytearray(text.encode())) == expected
    assert patterns_set.contains(text) == bool(expected)


@pytest.mark.parametrize("name", sorted(set(pyre2.__all__)))
def test_the_face_is_pyre2s(name: str) -> None:
    assert hasattr(ours(), name)


@pytest.mark.parametrize("kind", ["Pattern", "Match", "FallbackPattern"])
def test_the_methods_are_pyre2s(kind: str) -> None:
    public = {name for name in dir(getattr(pyre2, kind)) if not name.startswith("_")}
    assert public <= set(dir(getattr(ours(), kind)))


SYNTAX = st.text(alphabet="\\()[]{}?*+|^$.:<>=!#-,_0123abdgikmnpqrstuwxzABDEPQSWZ \nü\0", max_size=14)


@MORE
@given(
    SYNTAX, TEXTS, st.sampled_from([0, re.IGNORECASE, re.VERBOSE, re.VERBOSE | re.DOTALL, re.ASCII]).map(int)
)
def test_any_text_as_a_pattern(pattern: str, text: str, flags: int) -> None:
    assume(not pattern.endswith("\\"))
    with warnings.catch_warnings(action="ignore"):  # re's, about odd patterns
        theirs, mine = (outcome(module.compile, pattern, flags) for module in (pyre2, ours()))
    assert type(mine).__name__ == type(theirs).__name__
    if isinstance(theirs, pyre2.Pattern):
        assert (mine.search(text) is None) == (theirs.search(text) is None)


@MORE
@given(SYNTAX, TEXTS)
def test_any_text_as_a_template(template: str, text: str) -> None:
    assume(not re.search(r"\\(\Z|ü|[x0-7])", template))  # what pyre2 stumbles over: see cases.py
    pattern = r"(?P<a>[ab])(\d)?"
    theirs, mine = (outcome(module.compile(pattern).subn, template, text) for module in (pyre2, ours()))
    assert mine == theirs
