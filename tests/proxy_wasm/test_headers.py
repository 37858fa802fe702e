from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.proxy_wasm.scripted import ScriptedVm, http_vm, inside

from proxy_wasm import BadArgumentError, HeaderMap, Headers, HttpContext, InvalidHeaderError
from proxy_wasm._headers import to_bytes, to_pairs, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def vm() -> ScriptedVm:
    vm = http_vm(HttpContext)
    vm.host.maps[0] = [
        (b":path", b"/"),
        (b"accept", b"a"),
        (b"x-empty", b""),
        (b"accept", b"b"),
        (b"x-raw", b"\xff"),
    ]
    return vm


@pytest.fixture
def headers(vm: ScriptedVm) -> Iterator[HeaderMap]:
    with inside(vm) as stream:
        yield stream.request_headers


def test_an_empty_value_is_not_a_missing_one(headers: HeaderMap) -> None:
    assert headers.get("x-empty") == b""
    assert "x-empty" in headers
    assert headers.get("x-missing") is None
    assert "x-missing" not in headers


def test_names_compare_without_regard_to_case(headers: HeaderMap) -> None:
    assert headers.get("ACCEPT") == headers.get(b"Accept") == b"a"
    assert headers.get_all("Accept") == [b"a", b"b"]


def test_order_and_repetition_are_kept(headers: HeaderMap) -> None:
    assert list(headers) == [b":path", b"accept", b"x-empty", b"accept", b"x-raw"]
    assert [value for _, value in headers.items()] == headers.values()
    assert len(headers) == 5


def test_a_missing_header_is_a_key_error_by_brackets(headers: HeaderMap) -> None:
    assert headers["accept"] == b"a"
    with pytest.raises(KeyError, match="x-missing"):
        headers["x-missing"]


def test_writing(headers: HeaderMap) -> None:
    headers["x-new"] = "1"
    headers.add("x-new", b"2")
    assert headers.get_all("x-new") == [b"1", b"2"]
    headers.replace("x-new", "3")
    assert headers.get_all("x-new") == [b"3"]
    headers.set("x-new", "4", "5")
    assert headers.get_all("x-new") == [b"4", b"5"]
    headers.set("x-new")
    assert "x-new" not in headers
    del headers["accept"]
    assert headers.get_all("accept") == []
    headers.remove("accept")


def test_replacing_the_whole_map(headers: HeaderMap) -> None:
    mixed: dict[str, str | bytes] = {"a": "1", "b": b"2"}
    headers.replace_all(mixed)
    assert headers.items() == [(b"a", b"1"), (b"b", b"2")]
    headers.replace_all([("a", "1"), ("a", "2")])
    assert headers.get_all("a") == [b"1", b"2"]
    assert headers.byte_size == 4


@pytest.mark.parametrize("value", ["a\rb", "a\nb", b"a\0b"])
def test_a_value_that_would_be_another_header_is_refused(headers: HeaderMap, value: str | bytes) -> None:
    for write in (headers.add, headers.replace, headers.set):
        with pytest.raises(InvalidHeaderError, match="'x-new'"):
            write("x-new", value)
    with pytest.raises(ValueError, match="one line"):
        headers.replace_all([("x-new", value)])


@pytest.mark.parametrize("name", ["", "a\nb", b"a\0"])
def test_a_name_that_is_none_is_refused(headers: HeaderMap, name: str | bytes) -> None:
    with pytest.raises(InvalidHeaderError):
        headers.add(name, "1")


def test_a_value_must_be_text_or_bytes(headers: HeaderMap) -> None:
    with pytest.raises(TypeError):
        headers["content-length"] = 5  # type: ignore[arg-type] # what it is about


def test_text_never_raises_and_loses_nothing(headers: HeaderMap) -> None:
    text = headers.text["x-raw"]
    assert text == "\udcff"
    assert headers.text.get("x-missing") is None
    assert headers.text.get_all("accept") == ["a", "b"]
    assert headers.text.items()[1] == ("accept", "a")
    assert list(headers.text) == [":path", "accept", "x-empty", "accept", "x-raw"]
    assert "accept" in headers.text
    assert len(headers.text) == 5
    headers["x-copy"] = text
    assert headers["x-copy"] == b"\xff"


@settings(deadline=None)  # a busy machine is no failure
@given(st.binary())
def test_text_is_a_round_trip(data: bytes) -> None:
    assert to_bytes(to_text(data)) == data


def test_a_map_that_is_not_there_names_call_and_phase(vm: ScriptedVm) -> None:
    del vm.host.maps[2]
    with inside(vm) as stream, pytest.raises(BadArgumentError) as caught:
        stream.response_headers.get("x")
    text = str(caught.value)
    assert text.startswith(
        "proxy_get_header_map_value: BAD_ARGUMENT (in on_request_headers of HttpContext 2)"
    )
    assert "on_log" in text
    assert caught.value.call == "get_header_map_value"
    assert caught.value.phase == "on_request_headers of HttpContext 2"


def test_headers_that_were_read_stay_as_they_were() -> None:
    headers = Headers([(b"A", b"1"), (b"a", b"2")])
    assert headers.get("a") == b"1"
    assert headers.get_all(b"A") == [b"1", b"2"]
    assert headers.text["a"] == "1"
    assert repr(headers) == "Headers([(b'A', b'1'), (b'a', b'2')])"
    assert 7 not in headers


def test_pairs_come_from_mappings_and_from_pairs() -> None:
    assert to_pairs({"a": b"1"}) == to_pairs([("a", "1")]) == to_pairs(iter([(b"a", b"1")])) == [(b"a", b"1")]
