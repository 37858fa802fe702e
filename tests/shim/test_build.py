from __future__ import annotations

import fcntl
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.shim.guest import Guest, runtime

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.runtime import _build, _fetch, _paths, _tables, _toolchain, locate
from leaksignal_wasm.wasm.module import Module

if TYPE_CHECKING:
    from pathlib import Path

PROMISED = """
json re hashlib hmac struct datetime decimal base64 binascii collections dataclasses enum typing ipaddress urllib.parse
logging uuid random secrets math csv unicodedata zlib pickle copy contextvars functools itertools operator string textwrap
statistics fractions bisect heapq array time re2 xml.etree.ElementTree html difflib calendar zoneinfo graphlib
"""


def test_what_is_promised_can_be_imported() -> None:
    guest = Guest()
    for name in PROMISED.split():
        guest.run(f"import {name}")


SAME_HERE_AND_THERE = """[
    [getattr(hashlib, name)(b'x').hexdigest()
     for name in ('md5', 'sha1', 'sha224', 'sha256', 'sha384', 'sha512', 'sha3_256', 'blake2b', 'blake2s')],
    hmac.new(b'k', b'm', 'sha256').hexdigest(),
    zlib.decompress(zlib.compress(b'text' * 100)),
    str(decimal.Decimal('0.1') + decimal.Decimal('0.2')),
    unicodedata.name('\\xe9'),
    re.findall(r'(?i)(?<!x)\\w+', 'Ab xb'),
    json.loads(json.dumps({'a': [1, 2.5, None, '\\u20ac']})),
    struct.pack('<hq', -2, 2**40),
    datetime.datetime.fromisoformat('2024-02-29T01:02:03+01:00').isoformat(),
    math.fsum([0.1] * 10),
]"""
NEEDS = "import datetime, decimal, hashlib, hmac, json, math, re, struct, unicodedata, zlib"


def test_the_library_answers_as_it_does_natively() -> None:
    guest = Guest()
    guest.run(NEEDS)
    names: dict[str, object] = {}
    exec(NEEDS, names)  # noqa: S102 - the same text runs on both sides
    assert guest.value(SAME_HERE_AND_THERE) == eval(SAME_HERE_AND_THERE, names)  # noqa: S307 - likewise


@pytest.mark.parametrize(
    "name", ["socket", "_socket", "select", "_codecs_jp", "audioop", "_testcapi", "crypt"]
)
def test_what_no_filter_needs_is_not_there(name: str) -> None:
    guest = Guest()
    assert guest.attempt(f"import {name}") == 1


def test_the_description_fits_the_module() -> None:
    found = runtime()
    module = Module.parse(found.path.read_bytes())
    first, count = len(module.imported_functions), len(module.functions)
    end = module.memories[0].minimum * 65536
    assert found.info["python"] == "3.11.8"
    assert {"compiler", "startup", "unicodedata", "_decimal", "re2", "zlib", "pyexpat"} <= found.info[
        "groups"
    ].keys()
    seen: set[int] = set()
    for name, group in found.info["groups"].items():
        assert set(group["modules"]) <= set(found.info["builtin_modules"]), name
        assert all(first <= index < first + count for index in group["functions"]), name
        assert not seen.intersection(group["functions"]), name
        seen.update(group["functions"])
        assert all(address > 0 and address + length <= end for address, length in group["data"]), name
    exported = {
        export.index for export in module.exports if not export.name.startswith(("ls_", "_initialize"))
    }
    assert not exported & seen


def test_nothing_in_the_runtime_names_the_machine() -> None:
    content = runtime().path.read_bytes()
    assert not re.search(rb"/(root|home|work|tmp)/[a-z]", content)
    assert str(_paths.cache_folder("runtime")).encode() not in content


def test_the_key_is_over_sources_and_pins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = _build.input_key()
    assert before == _build.input_key() == runtime().info["key"]
    copy = tmp_path / "shim"
    shutil.copytree(_paths.SHIM, copy)
    monkeypatch.setattr(_build, "SHIM", copy)
    assert _build.input_key() == before
    (copy / "log.c").write_text("changed")
    assert _build.input_key() != before


def test_the_same_inputs_give_the_same_bytes_in_another_folder(tmp_path: Path) -> None:
    _build.build(tmp_path / "again", runtime().info["key"], lambda _: None)
    for name in ("runtime.wasm", "runtime.json", "stdlib.zip"):
        assert (tmp_path / "again" / name).read_bytes() == (runtime().path.parent / name).read_bytes()


def test_a_shipped_runtime_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copytree(runtime().path.parent, tmp_path / "_runtime")
    monkeypatch.setattr(_paths, "SHIPPED", tmp_path / "_runtime")
    monkeypatch.setattr(_build, "SHIM", tmp_path / "nowhere")
    assert locate().path == tmp_path / "_runtime" / "runtime.wasm"


def test_a_missing_compiler_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_toolchain, "COMPILER_VERSION", "9.9.9")
    with pytest.raises(UserError, match=r"needs ziglang 9\.9\.9, but ziglang .* is installed") as caught:
        _toolchain.require()
    assert "leaksignal-wasm[runtime]" in (caught.value.remedy or "")


def test_missing_sources_are_told_with_their_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_build, "SHIM", tmp_path / "nowhere")
    with pytest.raises(UserError, match="neither a built runtime nor the sources"):
        _build.build(tmp_path / "goal", "key", lambda _: None)


def test_a_package_of_other_content_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    package = _tables.Package("msgpack", "1.2.4", "0" * 64, ())
    with pytest.raises(UserError, match="pip could not fetch msgpack"):
        _fetch.unpacked(package)


def test_the_command_prints_where_the_runtime_is(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "leaksignal_wasm.runtime", "--output", str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == str(tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "runtime.json",
        "runtime.wasm",
        "stdlib.zip",
    ]


def test_one_build_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with (
        _paths.building(),
        (_paths.cache_folder("runtime") / ".lock").open("w") as second,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with _paths.building():
        pass
