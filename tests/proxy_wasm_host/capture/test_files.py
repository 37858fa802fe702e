from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from proxy_wasm_host.capture import CaptureError, Exchange, Message, files, load_capture, packed, save_capture

if TYPE_CHECKING:
    from pathlib import Path

ONE = Exchange(Message(((b":method", b"GET"),)), Message(((b":status", b"200"),), (b"x" * 5000,)))


def test_a_har_that_is_too_large_is_refused_with_a_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "LARGEST_DOCUMENT", 1 << 20)
    (tmp_path / "x.har").write_bytes(b'{"log": {"entries": []}}' + b" " * (1 << 20))
    with pytest.raises(CaptureError, match="more than 1 MiB") as caught:
        load_capture(tmp_path / "x.har")
    assert "leaksignal-wasm capture" in str(caught.value.remedy)


def test_an_exchange_that_is_too_large_is_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_capture(tmp_path / "x", [ONE])
    monkeypatch.setattr(packed, "LARGEST_EXCHANGE", 1 << 10)
    with pytest.raises(CaptureError, match=r"exchange 1 has more than|exchange 1 is damaged"):
        load_capture(tmp_path / "x")


def test_a_capture_that_was_cut_off_gives_what_is_whole(tmp_path: Path) -> None:
    save_capture(tmp_path / "x", [ONE, ONE])
    (tmp_path / "x").write_bytes((tmp_path / "x").read_bytes()[:-100])
    with pytest.raises(CaptureError, match="cut off") as caught:
        load_capture(tmp_path / "x")
    assert "--partial" in str(caught.value.remedy)
    assert load_capture(tmp_path / "x", partial=True) == [ONE]


def test_the_name_of_a_file_does_not_matter(tmp_path: Path) -> None:
    save_capture(tmp_path / "x.har", [ONE])
    assert load_capture(tmp_path / "x.har") == [ONE]
