from __future__ import annotations

import contextlib
import gzip
import io
from typing import TYPE_CHECKING

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_wasm_host.capture import (
    CaptureError,
    Exchange,
    Message,
    PackedWriter,
    iter_capture,
    load_capture,
    save_capture,
)
from proxy_wasm_host.capture.packed import MAGIC, read_packed

if TYPE_CHECKING:
    from pathlib import Path

pairs = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40)), max_size=6).map(tuple)
moments = st.integers(0, 2**62)
messages = st.builds(
    Message,
    pairs,
    st.lists(st.binary(max_size=100), max_size=4).map(tuple),
    pairs,
    st.lists(moments, max_size=6).map(tuple),
    st.booleans(),
)
exchanges = st.builds(Exchange, messages, st.none() | messages, st.none() | moments, st.text(max_size=8))

ONE = Exchange(
    Message(((b":method", b"GET"),), (b"a", b"b"), times=(0, 1, 2)),
    Message(((b":status", b"200"),)),
    5,
    "HTTP/2",
)


def written(*found: Exchange) -> bytes:
    file = io.BytesIO()
    with PackedWriter(file) as writer:
        for exchange in found:
            writer.write(exchange)
    return file.getvalue()


def read(data: bytes, *, partial: bool = False) -> list[Exchange]:
    file = io.BytesIO(data)
    assert file.read(len(MAGIC)) == MAGIC
    return list(read_packed(file, "x", partial=partial))


@given(st.lists(exchanges, max_size=5))
def test_what_is_written_is_read(found: list[Exchange]) -> None:
    assert read(written(*found)) == found


@given(st.lists(exchanges, min_size=1, max_size=3), st.data())
def test_any_cut_is_noticed_and_what_came_before_can_be_had(
    found: list[Exchange], data: st.DataObject
) -> None:
    whole = written(*found)
    cut = whole[: data.draw(st.integers(len(MAGIC) + 11, len(whole) - 1))]
    with pytest.raises(CaptureError, match="cut off"):
        read(cut)
    got = read(cut, partial=True)
    assert got == found[: len(got)]


@given(st.lists(exchanges, min_size=1, max_size=2), st.data())
def test_damage_never_ends_in_anything_but_a_capture_error(
    found: list[Exchange], data: st.DataObject
) -> None:
    damaged = bytearray(written(*found))
    damaged[data.draw(st.integers(len(MAGIC), len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(CaptureError):
        assert all(isinstance(exchange, Exchange) for exchange in read(bytes(damaged)))


def test_a_published_capture_survives_the_way_through_a_file(
    har_files: dict[str, Path], tmp_path: Path
) -> None:
    found = load_capture(har_files["login"])
    assert save_capture(tmp_path / "login.lscap", found) == len(found)
    assert load_capture(tmp_path / "login.lscap") == found
    save_capture(tmp_path / "login.lscap.gz", found)
    assert load_capture(tmp_path / "login.lscap.gz") == found
    assert (tmp_path / "login.lscap.gz").stat().st_size < (tmp_path / "login.lscap").stat().st_size


def test_the_same_exchanges_make_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a.gz", "b.gz"):
        save_capture(tmp_path / name, [ONE])
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


def test_reading_begins_before_the_file_is_complete(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(written(ONE, ONE)[:-1])
    assert next(iter_capture(tmp_path / "x")) == ONE


def test_another_version_is_refused_by_name() -> None:
    with pytest.raises(CaptureError, match="version 2 is not 1") as caught:
        read(MAGIC + msgpack.packb({"version": 2}))
    assert caught.value.where == "x: byte 8"


def test_a_wrong_count_at_the_end_is_noticed() -> None:
    with pytest.raises(CaptureError, match="7 exchanges announced, 1 read"):
        read(written(ONE)[:-1] + msgpack.packb(7))


def test_a_record_of_another_shape_names_its_exchange() -> None:
    with pytest.raises(CaptureError, match="x: exchange 2: request"):
        read(written(ONE)[:-1] + msgpack.packb([[1, 2], None, None, "", ""]))


def test_a_transfer_in_text_mode_is_recognised(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(written(ONE).replace(b"\r\n", b"\n"))
    with pytest.raises(CaptureError, match="text mode"):
        load_capture(tmp_path / "x")


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "x"
    save_capture(file, [ONE])

    def broken() -> object:
        yield ONE
        raise KeyError

    with pytest.raises(KeyError):
        save_capture(file, broken())  # type: ignore[arg-type]  # a generator all the same
    assert load_capture(file) == [ONE]
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_missing_unreadable_and_empty_files_say_so(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="No such file"):
        load_capture(tmp_path / "none")
    with pytest.raises(CaptureError, match="an empty folder"):
        load_capture(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(CaptureError, match="an empty file"):
        load_capture(tmp_path / "empty")
    with pytest.raises(CaptureError, match="can't be written"):
        save_capture(tmp_path / "no" / "x", [ONE])


def test_a_damaged_gzip_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(written(ONE))[:-12])
    with pytest.raises(CaptureError, match=r"can't be read|cut off"):
        load_capture(tmp_path / "x.gz")
