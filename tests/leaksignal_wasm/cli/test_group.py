from __future__ import annotations

import importlib
import subprocess
import sys
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from leaksignal_wasm.cli import COMMANDS, cli
from leaksignal_wasm.errors import UserError


def a_command(monkeypatch: pytest.MonkeyPatch, name: str, error: Exception) -> None:
    module = ModuleType(f"leaksignal_wasm.cli.{name}")

    @click.command()
    def command() -> None:
        raise error

    module.command = command  # type: ignore[attr-defined]  # a stand-in for a command's module
    monkeypatch.setitem(sys.modules, module.__name__, module)


def test_help_names_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys, click.testing, leaksignal_wasm.cli as c\n"
        "print(click.testing.CliRunner().invoke(c.cli, ['--help']).output)\n"
        "print('LOADED', [m for m in sys.modules if m.startswith(('leaksignal_wasm.cli.', 'wasmtime'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for name, line in COMMANDS.items():
        assert name in done.stdout
        assert line.split()[0] in done.stdout
    assert "LOADED []" in done.stdout


def test_a_user_error_says_what_where_and_remedy_and_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    a_command(monkeypatch, "inspect", UserError("not a wasm module", where="x.bin", remedy="build one first"))
    result = CliRunner().invoke(cli, ["inspect"])
    assert result.exit_code == 1
    assert result.stderr == "error: x.bin: not a wasm module\n  remedy: build one first\n"


def test_a_user_error_without_place_and_remedy_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    a_command(monkeypatch, "run", UserError("no Envoy at hand"))
    assert CliRunner().invoke(cli, ["run"]).stderr == "error: no Envoy at hand\n"


def test_an_unexpected_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    a_command(monkeypatch, "run", ZeroDivisionError("ours"))
    assert isinstance(CliRunner().invoke(cli, ["run"]).exception, ZeroDivisionError)


def test_a_mistyped_command_gets_a_suggestion_and_exits_2() -> None:
    result = CliRunner().invoke(cli, ["biuld"])
    assert result.exit_code == 2
    assert "no command 'biuld'; did you mean 'build'?" in result.stderr


def test_version_and_python_m() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "leaksignal_wasm", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("leaksignal-wasm, version ")


@pytest.mark.parametrize("name", ["init", "push", "replay", "test"])
def test_a_command_module_holds_a_click_command(name: str) -> None:
    assert isinstance(importlib.import_module(f"leaksignal_wasm.cli.{name}").command, click.Command)
