"""Every way to say what to build, and every interpreter to build it with, leads to a module."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from leaksignal_wasm.builder import BuildResult, build
from leaksignal_wasm.builder.target import parse_target
from leaksignal_wasm.wasm import Module as WasmModule
from proxy_wasm_host import Host, Module

ROOT = Path(__file__).parents[2]

CLASS = """
from proxy_wasm import HttpContext, PluginContext

class {name}(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        pass
"""

FILES = {
    "my-filter.py": CLASS.format(name="Plain"),
    "package/__init__.py": "from package.streams import Inner",
    "package/streams.py": CLASS.format(name="Inner") + "from . import words\n",
    "package/words.py": "WORDS = []\n",
    "two.py": CLASS.format(name="First") + CLASS.format(name="Second"),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("my-filter.py", "my_filter:PlainPlugin"),
        ("package", "package:InnerPlugin"),
        ("package/streams.py", "package.streams:InnerPlugin"),
        ("package.streams", "package.streams:InnerPlugin"),
        ("two.py:Second", "two:SecondPlugin"),
        ("two:First", "two:FirstPlugin"),
    ],
)
def test_a_file_a_folder_and_a_dotted_name_are_built(
    project: Path, monkeypatch: pytest.MonkeyPatch, target: str, name: str
) -> None:
    monkeypatch.chdir(project)
    result = build(target, output=project / "out.wasm")
    assert result.record["filter"] == name


@pytest.mark.parametrize(
    ("target", "stem"),
    [
        ("my-filter.py", "my-filter"),
        ("package", "package"),
        ("package/streams.py", "streams"),
        ("two:First", "two"),
    ],
)
def test_the_output_is_named_after_the_target(project: Path, target: str, stem: str) -> None:
    assert parse_target(target, folder=project).stem == stem


def test_a_module_of_the_project_may_bear_the_name_of_one_that_filters_have_not(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text("from select import CHOICE\n" + CLASS.format(name="Filter"))
    (tmp_path / "select.py").write_text("CHOICE = 1\n")
    result = build(tmp_path / "filter.py", output=tmp_path / "out.wasm")
    assert {"name": "select", "origin": "filter"}.items() <= next(
        x for x in result.record["modules"] if x["name"] == "select"
    ).items()


def test_only_what_is_imported_comes_along(project: Path) -> None:
    result = build(project / "my-filter.py", output=project / "out.wasm")
    names = {x["name"] for x in result.record["modules"]}
    assert "my_filter" in names
    assert not any(
        x.startswith("package") or x in ("two", "json", "re", "typing", "logging", "enum") for x in names
    )


def test_a_package_of_the_environment_comes_along_without_its_c_extension(tmp_path: Path) -> None:
    (tmp_path / "reads.py").write_text(
        "import yaml\nassert not yaml.__with_libyaml__\nREAD = yaml.safe_load('[1, a]')\n"
        + CLASS.format(name="Reads")
    )
    result = build(tmp_path / "reads.py", output=tmp_path / "reads.wasm")
    inside = {x["name"]: x["origin"] for x in result.record["modules"]}
    assert inside["yaml.loader"] == "dependency"
    assert not {name for name in inside if name.startswith("yaml._yaml")}


def test_msgpack_has_its_c_half_built_in(tmp_path: Path) -> None:
    (tmp_path / "packs.py").write_text(
        "import msgpack\nPACKED = msgpack.packb([1, 'a'])\n" + CLASS.format(name="Packs")
    )
    result = build(tmp_path / "packs.py", output=tmp_path / "packs.wasm")
    inside = {x["name"]: x["origin"] for x in result.record["modules"]}
    assert inside["msgpack"] == "dependency"
    assert "msgpack.fallback" not in inside
    assert "msgpack._cmsgpack" in result.record["builtin"]


def test_what_the_interpreter_imports_by_itself_at_run_time_comes_along(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text(
        """
from datetime import datetime
from proxy_wasm import HttpContext

class Filter(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        datetime.strptime("2024", "%Y")
        b"".decode("windows-1252"), str(b"", encoding="utf-8-sig"), b"".decode("latin-1"), "".encode("no such codec")
"""
    )
    result = build(tmp_path / "filter.py", output=tmp_path / "out.wasm")
    names = {x["name"] for x in result.record["modules"]}
    assert {"_strptime", "encodings.cp1252", "encodings.utf_8_sig"} <= names
    assert not result.warnings


def test_the_compiler_stays_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text(
        """
from proxy_wasm import HttpContext

class Filter(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        names = {}
        exec("def f(x): return x * 2", names)
        self.request_headers["x-answer"] = str(names["f"](eval("20 + 1")))
"""
    )
    small = build(tmp_path / "filter.py", output=tmp_path / "out.wasm")
    large = build(tmp_path / "filter.py", output=tmp_path / "out.wasm", keep_compiler=True)
    assert large.size > small.size + 300_000
    with Host().vm(Module.load(large.output)).plugin().http_stream() as stream:
        out = stream.request([(":method", "GET"), (":path", "/"), (":authority", "a")])
    assert out.headers is not None
    assert out.headers["x-answer"] == b"42"


def test_function_names_stay_if_asked_for(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text(CLASS.format(name="Filter"))
    result = build(tmp_path / "filter.py", output=tmp_path / "out.wasm", keep_names=True)
    assert "PyObject_Call" in WasmModule.parse(result.output.read_bytes()).function_names.values()


def test_an_import_that_will_fail_later_is_a_warning_unless_the_code_expects_it(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text(
        CLASS.format(name="Filter")
        + """
def native():
    import socket
    try:
        import nowhere
    except ImportError:
        pass
"""
    )
    result = build(tmp_path / "filter.py", output=tmp_path / "out.wasm")
    (warning,) = result.warnings
    assert warning.startswith(
        "filter.py:9 imports socket when its function runs; that will fail: a filter has no sockets"
    )


def other_interpreters() -> list[Path]:
    """Find Pythons of other versions that may build, too."""
    named = os.environ.get("LEAKSIGNAL_OTHER_PYTHONS")
    if named:
        return [Path(x) for x in named.split(os.pathsep)]
    versions = Path.home() / ".pyenv" / "versions"
    own = f"{sys.version_info.major}.{sys.version_info.minor}."
    found = (x / "bin" / "python3" for x in versions.glob("3.1[1-9].*") if not x.name.startswith(own))
    return sorted(x for x in found if x.is_file())


def test_another_python_builds_the_same_bytes(project: Path, tmp_path: Path) -> None:
    others = other_interpreters()
    if not others:
        pytest.skip(
            "no second Python from 3.11 on: name one in LEAKSIGNAL_OTHER_PYTHONS, or install one with pyenv"
        )
    here: BuildResult = build(project / "my-filter.py", output=tmp_path / "here.wasm")
    folders = [
        str(ROOT / "build"),
        str(ROOT / "hostcalls"),
        *(x for x in sys.path if x.endswith("site-packages")),
    ]
    for other in others:
        script = "import sys; from leaksignal_wasm.cli import cli; cli(sys.argv[1:])"
        arguments = ["build", str(project / "my-filter.py"), "-o", str(tmp_path / "there.wasm"), "--json"]
        done = subprocess.run(
            [other, "-c", script, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{other}: {done.stderr}"
        assert json.loads(done.stdout)["sha256"] == here.sha256, other
