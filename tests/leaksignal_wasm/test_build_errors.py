"""What a user reads when a filter can't be built: what was wrong, where, what would be right."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from leaksignal_wasm.builder import build
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable

    Refuse = Callable[..., UserError]

FILTER = """
from proxy_wasm import HttpContext

class Filter(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        pass
"""


@pytest.fixture
def refuse(tmp_path: Path) -> Refuse:
    """Build files that can't be built, `filter.py` first, and give the error."""

    def build_and_fail(files: dict[str, str], target: str = "filter.py", **options: object) -> UserError:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with pytest.raises(UserError) as caught:
            build(tmp_path / target, output=tmp_path / "filter.wasm", **options)  # type: ignore[arg-type]
        assert not (tmp_path / "filter.wasm").exists()
        return caught.value

    return build_and_fail


def test_a_syntax_error_shows_line_and_place(refuse: Refuse) -> None:
    error = refuse({"filter.py": "import json\n\ndef on_request(:\n    pass\n"})
    assert 'File "filter.py", line 3' in error.what
    assert "def on_request(:" in error.what
    assert "^" in error.what
    assert "SyntaxError: invalid syntax" in error.what


def test_an_exception_at_import_shows_the_users_own_traceback_with_source(refuse: Refuse) -> None:
    error = refuse(
        {
            "filter.py": "import helper\nhelper.prepare(0)\n",
            "helper.py": "def prepare(parts):\n    return 100 / parts\n",
        }
    )
    assert error.what.splitlines()[2:] == [
        "  Traceback (most recent call last):",
        '    File "filter.py", line 2, in <module>',
        "      helper.prepare(0)",
        '    File "helper.py", line 2, in prepare',
        "      return 100 / parts",
        "             ~~~~^~~~~~~",
        "  ZeroDivisionError: division by zero",
    ]


def test_a_chained_exception_shows_both_tracebacks(refuse: Refuse) -> None:
    error = refuse(
        {"filter.py": "try:\n    {}['a']\nexcept KeyError as e:\n    raise ValueError('no a') from e\n"}
    )
    assert "KeyError: 'a'" in error.what
    assert "direct cause" in error.what
    assert "ValueError: no a" in error.what


def test_leaving_python_at_import_is_an_error_like_any_other(refuse: Refuse) -> None:
    assert "SystemExit: 3" in refuse({"filter.py": "import sys\nsys.exit(3)\n"}).what


def test_a_missing_import_names_the_chain_and_where_it_was_looked_for(refuse: Refuse, tmp_path: Path) -> None:
    error = refuse(
        {
            "filter.py": "import foo\n",
            "foo/__init__.py": "from foo import bar\n",
            "foo/bar.py": "import nowhere\n",
        }
    )
    assert error.where == "filter.py -> foo/__init__.py -> foo/bar.py -> nowhere"
    assert error.what.startswith(f"cannot import nowhere: not found in {tmp_path}")
    assert "--path" in (error.remedy or "")


def test_a_folder_that_is_named_like_a_module_is_none(refuse: Refuse) -> None:
    error = refuse({"filter.py": "import helper\n", "helper.py/readme": ""})
    assert error.what.startswith("cannot import helper: not found")


def test_a_c_extension_names_the_chain_and_the_file(refuse: Refuse) -> None:
    error = refuse(
        {
            "filter.py": "import foo\n",
            "foo/__init__.py": "from foo import _speed\n",
            "foo/_speed.cpython-311-x86_64-linux-gnu.so": "\x7fELF",
        }
    )
    assert error.where == "filter.py -> foo/__init__.py -> foo._speed"
    assert "foo/_speed.cpython-311-x86_64-linux-gnu.so is machine code" in error.what


@pytest.mark.parametrize("module", ["socket", "ssl", "ctypes", "subprocess", "multiprocessing", "asyncio"])
def test_a_library_module_without_a_place_in_wasm_says_why(refuse: Refuse, module: str) -> None:
    error = refuse({"filter.py": f"import {module}\n"})
    assert error.where == f"filter.py -> {module}"
    assert error.what.startswith(f"cannot import {module}: ")


def test_a_library_module_that_needs_sockets_names_the_chain(refuse: Refuse) -> None:
    error = refuse({"filter.py": "import http.client\n"})
    assert error.where is not None
    assert error.where.startswith("filter.py -> ")
    assert error.where.endswith("socket")


def test_an_endless_loop_at_import_names_the_module(refuse: Refuse) -> None:
    error = refuse({"filter.py": "import slow\n", "slow.py": "while True:\n    pass\n"}, timeout=3.0)
    assert error.what == "still importing slow after 3 seconds"
    assert error.where == "filter.py -> slow.py"
    assert "--timeout" in (error.remedy or "")


def test_an_interrupt_ends_an_endless_loop_at_once(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text("while True:\n    pass\n")
    before = signal.signal(signal.SIGVTALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_VIRTUAL, 2.0)  # of CPU time, which the loop uses up
    try:
        with pytest.raises(KeyboardInterrupt):
            build(tmp_path / "filter.py", output=tmp_path / "filter.wasm", timeout=100.0)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def test_endless_allocation_at_import_is_a_memory_error(refuse: Refuse) -> None:
    error = refuse({"filter.py": "held = []\nwhile True:\n    held.append(bytes(1 << 20))\n"}, max_memory=64)
    assert "MemoryError" in error.what


def test_endless_recursion_at_import_is_a_recursion_error(refuse: Refuse) -> None:
    error = refuse({"filter.py": "def f():\n    return f()\nf()\n"})
    assert "RecursionError: maximum recursion depth exceeded" in error.what


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import os\nos._exit(3)\n", "the interpreter crashed while importing filter: it ended itself"),
        (
            "import sys\nsys.setrecursionlimit(10**6)\nclass A:\n    __eq__ = lambda s, o: s == o\nA() == A()\n",
            "RecursionError: maximum recursion depth exceeded",
        ),
        ("x = " + "-" * 100_000 + "1\n", "MemoryError"),
        (
            "x = 1" + "+1" * 50_000 + "\n",
            "RecursionError: maximum recursion depth exceeded during compilation",
        ),
        ("x = '\0'\n", "SyntaxError: source code string cannot contain null bytes"),
        ("raise ValueError('\\ud800')\n", "ValueError: \\ud800"),
        (
            "class E(BaseException):\n    def __str__(self):\n        1 / 0\nraise E\n",
            'File "filter.py", line 4',
        ),
    ],
)
def test_whatever_a_filter_does_ends_in_an_error_for_people(refuse: Refuse, source: str, says: str) -> None:
    error = refuse({"filter.py": source})
    assert says in error.what
    assert "filter.py" in str(error)
    str(error).encode()


def test_deeply_nested_data_at_import_is_an_error_not_a_crash(refuse: Refuse) -> None:
    error = refuse({"filter.py": "import json\njson.loads('[' * 100000)\n"})
    assert "RecursionError" in error.what


def test_a_host_call_at_import_names_the_call_and_where_it_belongs(refuse: Refuse) -> None:
    error = refuse({"filter.py": "import _proxy_wasm\nID = _proxy_wasm.get_property(b'node\\0id')\n"})
    assert error.what.startswith("proxy_get_property was called while the filter was being built")
    assert "ID = _proxy_wasm.get_property" in error.what
    assert error.where == "filter.py"
    assert "on_configure" in (error.remedy or "")


def test_a_host_call_at_import_counts_even_if_its_failure_is_caught(refuse: Refuse) -> None:
    quiet = (
        "import _proxy_wasm\ntry:\n    _proxy_wasm.get_property(b'node\\0id')\nexcept Exception:\n    pass\n"
    )
    error = refuse({"filter.py": quiet + FILTER})
    assert error.what.startswith("proxy_get_property was called")


def test_a_file_without_a_filter_says_what_to_derive_from(refuse: Refuse) -> None:
    error = refuse({"filter.py": "x = 1\n"})
    assert "HttpContext" in error.what
    assert error.where == "filter.py"


def test_two_plugin_classes_ask_for_a_name(refuse: Refuse) -> None:
    two = "from proxy_wasm import PluginContext\nclass One(PluginContext): pass\nclass Two(PluginContext): pass\n"
    error = refuse({"filter.py": two})
    assert "One" in error.what
    assert "Two" in error.what


def test_a_class_that_is_not_there_lists_those_that_are(refuse: Refuse) -> None:
    error = refuse({"filter.py": FILTER}, "filter.py:Fliter")
    assert "Fliter" in error.what
    assert "Filter" in error.what


def test_a_failing_prepare_shows_its_traceback(refuse: Refuse) -> None:
    source = FILTER + "\n    @classmethod\n    def prepare(cls):\n        raise ValueError('no policy')\n"
    error = refuse({"filter.py": source})
    assert error.what.startswith("prepare() of the plugin failed")
    assert "ValueError: no policy" in error.what


def test_a_limit_below_what_the_filter_holds_says_what_it_takes(refuse: Refuse) -> None:
    error = refuse({"filter.py": FILTER + "\nBALLAST = bytes(range(256)) * 4096 * 8\n"}, max_memory=12)
    assert "MiB" in error.what or "MemoryError" in error.what


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("nothing.py", "there is no file or folder"),
        ("folder", "this folder is not a package"),
        ("notes.txt", "a filter is a Python file"),
        ("json.py", "'json' is the name of a module that filters import themselves"),
        ("filter.py:1x", "'1x' can't be the name of a class"),
    ],
)
def test_a_target_that_is_none_says_what_to_give(refuse: Refuse, target: str, says: str) -> None:
    files = {"filter.py": FILTER, "folder/readme": "", "notes.txt": "", "json.py": ""}
    assert says in refuse(files, target).what


def test_a_missing_output_folder_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text("while True: pass")
    with pytest.raises(UserError, match="this folder does not exist"):
        build(tmp_path / "filter.py", output=tmp_path / "missing" / "filter.wasm")


def test_a_folder_as_output_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text("while True: pass")
    with pytest.raises(UserError, match="is a folder"):
        build(tmp_path / "filter.py", output=tmp_path)


def test_an_unwritable_output_is_told(tmp_path: Path) -> None:
    (tmp_path / "filter.py").write_text(FILTER)
    with pytest.raises(UserError, match="can't be written"):
        build(tmp_path / "filter.py", output=Path("/dev/fd/filter.wasm"))
