from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from leaksignal_wasm.cli import cli
from leaksignal_wasm.envoy import validate


def init(name: object) -> Result:
    return CliRunner().invoke(cli, ["init", str(name)])


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("init") / "hello-filter"
    result = init(folder)
    assert result.exit_code == 0, result.output
    return folder


def ran(project: Path, *command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_project_has_all_that_is_needed(project: Path) -> None:
    files = {str(path.relative_to(project)) for path in project.rglob("*") if path.is_file()}
    assert files >= {
        ".gitignore",
        "README.md",
        "envoy.yaml",
        "filter.py",
        "pyproject.toml",
        "tests/filter.wasmtest.yaml",
        "tests/test_filter.py",
    }
    assert "class HelloFilter(HttpContext):" in (project / "filter.py").read_text()
    assert not any("@" in path.read_text() for path in project.rglob("*.toml"))


@pytest.mark.timeout(300)
def test_its_own_tests_pass_natively_and_in_wasm(project: Path) -> None:
    out = ran(project, "pytest", "-v", "-p", "no:cacheprovider")
    for name in (
        "test_the_upstream_is_greeted[native]",
        "test_the_upstream_is_greeted[wasm]",
        "greets the upstream",
    ):
        assert name in out
    assert "9 passed" in out


@pytest.mark.timeout(300)
@pytest.mark.envoy
@pytest.mark.xdist_group("envoy-replay")
def test_it_builds_and_its_configuration_starts(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran(project, "leaksignal_wasm", "build", "filter.py")
    assert (project / "filter.wasm").read_bytes().startswith(b"\0asm")
    out = ran(
        project, "leaksignal_wasm", "test", "tests/filter.wasmtest.yaml", "--both", "--module", "filter.wasm"
    )
    assert "9 passed, 0 failed" in out
    monkeypatch.chdir(project)
    config = yaml.safe_load(Path("envoy.yaml").read_text())
    plugin = config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
    code = plugin["http_filters"][0]["typed_config"]["config"]["vm_config"]["code"]["local"]
    assert code == {"filename": "filter.wasm"}
    validate(config)


def test_a_folder_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "precious").touch()
    result = init(tmp_path / "x")
    assert result.exit_code == 1
    assert "is there already, and not empty" in result.stderr
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["precious"]


@pytest.mark.parametrize("name", ["1x", "a b", "-", "ü"])
def test_a_name_that_no_package_can_have_is_refused(tmp_path: Path, name: str) -> None:
    result = init(tmp_path / name)
    assert result.exit_code == 1
    assert "not a name for a project" in result.stderr


def test_the_example_of_the_documentation_holds(tmp_path: Path) -> None:
    init(tmp_path / "hello")
    text = (Path(__file__).parents[3] / "docs" / "testing.md").read_text()
    example = text.partition("```yaml\n")[2].partition("```")[0]
    file = tmp_path / "hello" / "tests" / "docs.wasmtest.yaml"
    file.write_text(example)
    result = CliRunner().invoke(cli, ["test", str(file)])
    assert result.output.endswith("1 passed, 0 failed\n"), result.output
