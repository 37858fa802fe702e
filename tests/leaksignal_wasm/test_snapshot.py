"""What is true inside a finished module: nothing of the build's moment is frozen in, and what came along works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from leaksignal_wasm.builder import BuildResult, build
from leaksignal_wasm.wasm import Module as WasmModule
from proxy_wasm_host import Host, Limits, Module, VirtualClock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Ask = Callable[..., Any]

FILTER = '''
"""A probe: each header `x-ask` names a function, whose result goes back as JSON."""

import gc
import json
import os
import random
import sys
import time
import uuid

import accelerated
import spaced.inner
from proxy_wasm import HttpContext, build_data

FROZEN = {"random": random.random(), "uuid": str(uuid.uuid4()), "time": time.time(), "urandom": os.urandom(8).hex()}
PREPARED = []
POLICY = build_data("policy")


def frozen():
    return FROZEN


def fresh():
    return {"random": random.random(), "uuid": str(uuid.uuid4()), "time": time.time(), "urandom": os.urandom(8).hex()}


def environment():
    return dict(os.environ)


def collected():
    return {"frozen": gc.get_freeze_count(), "tracked": len(gc.get_objects())}


def prepared():
    return PREPARED


def data():
    return [POLICY.hex(), build_data("other").decode(), build_data("nothing")]


def deferred():
    from colorsys import rgb_to_hls
    import spaced.late

    return [rgb_to_hls(1, 1, 1), spaced.late.WORD]


def late():
    try:
        __import__("c" + "md")
    except ModuleNotFoundError as error:
        return [error.name, str(error)]


def evaluated():
    try:
        return eval("1 + 1")
    except RuntimeError as error:
        return str(error)


def docs():
    """Documentation of a filter stays."""
    assert_works = False
    try:
        assert assert_works
    except AssertionError:
        assert_works = True
    return [docs.__doc__, HttpContext.__doc__, json.dumps.__doc__, assert_works]


def modules():
    return sorted(sys.modules)


def finders():
    return [getattr(x, "__name__", repr(x)) for x in sys.meta_path] + sys.path


def main_module():
    return sorted(vars(sys.modules["__main__"]))


def packages():
    return [accelerated.add(1, 2), spaced.inner.WORD, accelerated.__file__]


def deep():
    try:
        json.loads("[" * 50000)
    except RecursionError:
        return "RecursionError"


def huge():
    try:
        return len(bytes(1 << 30))
    except MemoryError:
        return "MemoryError"


class Probe(HttpContext):
    @classmethod
    def prepare(cls):
        PREPARED.append("prepared")

    def on_request_headers(self, num_headers, end_of_stream):
        ask = self.request_headers.get("x-ask").decode()
        if ask == "fail":
            raise ValueError("as asked")
        self.request_headers["x-answer"] = json.dumps(globals()[ask]())
'''

FILES = {
    "filter.py": FILTER,
    "libs/accelerated/__init__.py": """
try:
    from accelerated._speed import add
except ImportError:
    from accelerated.pure import add
""",
    "libs/accelerated/_speed.abi3.so": "\x7fELF",
    "libs/accelerated/pure.py": "def add(a, b):\n    return a + b\n",
    "spaced/inner.py": "WORD = 'inner'\n",
    "spaced/late.py": "WORD = 'late'\n",
}


def write(folder: Path) -> Path:
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def build_probe(folder: Path) -> BuildResult:
    return build(
        write(folder) / "filter.py",
        output=folder / "probe.wasm",
        data={"policy": b"\0\xff", "other": b"text"},
        path=[folder / "libs"],
        max_memory=64,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build_probe(tmp_path_factory.mktemp("probe"))


@pytest.fixture(scope="session")
def module(built: BuildResult) -> Module:
    return Module.load(built.output)


def asker(module: Module, host: Host, **options: Any) -> Ask:
    plugin = host.vm(module, **options).plugin()

    def ask(what: str) -> Any:
        with plugin.http_stream() as stream:
            out = stream.request([(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-ask", what)])
        answer = out.headers.get("x-answer") if out.headers else None
        return json.loads(answer) if answer is not None else None

    return ask


@pytest.fixture
def ask(module: Module) -> Ask:
    return asker(module, Host())


def test_two_vms_draw_different_random_numbers(module: Module) -> None:
    first, second = (asker(module, Host()) for _ in range(2))
    drawn = [first("fresh"), second("fresh"), first("frozen")]
    for kind in ("random", "uuid", "urandom"):
        assert len({x[kind] for x in drawn}) == 3, kind


def test_clocks_are_the_hosts_own(module: Module) -> None:
    ask = asker(module, Host(clock=VirtualClock(start=1_900_000_000.0)))
    assert ask("fresh")["time"] == pytest.approx(1_900_000_000.0, abs=1)


def test_the_environment_is_read_when_a_vm_starts(module: Module) -> None:
    assert asker(module, Host(), environment={"REGION": "eu"})("environment") == {"REGION": "eu"}
    assert asker(module, Host())("environment") == {}


def test_what_was_there_at_the_snapshot_is_no_work_for_the_garbage_collector(ask: Ask) -> None:
    counts = ask("collected")
    assert counts["frozen"] > 1000
    assert counts["tracked"] < 300


def test_prepare_ran_once_while_building(ask: Ask) -> None:
    assert ask("prepared") == ["prepared"]


def test_baked_in_data_reaches_the_filter(ask: Ask) -> None:
    assert ask("data") == ["00ff", "text", None]


def test_imports_inside_of_functions_came_along(ask: Ask) -> None:
    assert ask("deferred") == [[0.0, 1.0, 0.0], "late"]


def test_an_import_nobody_foresaw_says_why_it_fails(ask: Ask) -> None:
    name, message = ask("late")
    assert name == "cmd"
    assert "only what is imported during its build comes along" in message


def test_evaluating_source_without_the_compiler_says_so(ask: Ask) -> None:
    assert "compiler" in ask("evaluated")


def test_users_keep_docstrings_and_asserts_and_the_library_does_not(ask: Ask) -> None:
    assert ask("docs") == ["Documentation of a filter stays.", None, None, True]


def test_a_package_with_an_optional_c_extension_uses_its_fallback(ask: Ask) -> None:
    assert ask("packages") == [3, "inner", "accelerated/__init__.py"]


def test_nothing_of_the_build_stays_behind(ask: Ask) -> None:
    assert ask("finders") == ["BuiltinImporter", "FrozenImporter", "_Absent"]
    assert set(ask("main_module")) <= {"__builtins__"}
    assert not {"proxy_wasm._warm", "proxy_wasm._discover", "linecache", "traceback"} & set(ask("modules"))


def test_deep_recursion_and_lack_of_memory_are_exceptions(ask: Ask) -> None:
    assert ask("deep") == "RecursionError"
    assert ask("huge") == "MemoryError"
    assert ask("prepared") == ["prepared"]


def test_a_traceback_in_the_proxy_log_shows_paths_of_the_project(module: Module) -> None:
    host = Host()
    assert asker(module, host)("fail") is None
    log = "\n".join(host.messages())
    assert 'File "filter.py", line ' in log
    assert "ValueError: as asked" in log


def test_the_memory_limit_is_the_modules_own(built: BuildResult) -> None:
    (memory,) = WasmModule.parse(built.output.read_bytes()).memories
    assert memory.maximum == 64 * 16
    assert memory.minimum == built.pages


def test_only_callbacks_in_use_are_exported(built: BuildResult) -> None:
    exports = {x.name for x in WasmModule.parse(built.output.read_bytes()).exports}
    assert "proxy_on_request_headers" in exports
    assert not exports & {
        "proxy_on_tick",
        "proxy_on_response_body",
        "_initialize",
        "malloc",
        "ls_exec",
        "ls_global_0",
    }


def test_the_record_names_what_is_inside(built: BuildResult) -> None:
    module = WasmModule.parse(built.output.read_bytes())
    content = module.custom("leaksignal.build")
    assert content is not None
    record = json.loads(content)
    assert record == built.record
    assert record["filter"] == "filter:ProbePlugin"
    assert record["data"] == {"other": 4, "policy": 2}
    inside = {x["name"]: x for x in record["modules"]}
    assert inside["accelerated.pure"]["origin"] == "filter"
    assert inside["json.decoder"]["origin"] == "python"
    assert inside["proxy_wasm._http"]["origin"] == "sdk"
    assert inside["filter"]["heap"] > 1000
    assert "_random" in record["builtin"]
    assert "unicodedata" not in record["builtin"]


def test_the_same_inputs_give_the_same_bytes_in_another_folder(built: BuildResult, tmp_path: Path) -> None:
    again = build_probe(tmp_path / "a longer path than before")
    assert again.sha256 == built.sha256
    assert again.output.read_bytes() == built.output.read_bytes()


def test_nothing_in_the_module_names_this_machine(built: BuildResult) -> None:
    content = built.output.read_bytes()
    assert str(built.output.parent).encode() not in content
    assert b"/site-packages/" not in content


def test_a_vm_with_less_memory_than_the_module_asks_for_is_refused(
    module: Module, built: BuildResult
) -> None:
    with pytest.raises(Exception, match=r"(?i)memory"):
        Host().vm(module, limits=Limits(memory=(built.pages - 1) << 16))


def test_a_built_in_module_that_was_let_go_can_be_imported_again(build_filter: Callable[..., Path]) -> None:
    source = """
import sys
import unicodedata

from proxy_wasm import HttpContext

del sys.modules["unicodedata"], unicodedata


class Names(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        import unicodedata

        self.request_headers.add("x-name", unicodedata.name("a"))
"""
    plugin = Host().vm(Module.load(build_filter(source))).plugin()
    with plugin.http_stream() as stream:
        upstream = stream.request([(":method", "GET"), (":path", "/"), (":authority", "a")])
        assert upstream.headers is not None
        assert upstream.headers["x-name"] == b"LATIN SMALL LETTER A"
