"""`re` weighs more than `re2` itself: a filter that does not name it goes without."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.re2.native import built

from proxy_wasm_host import Host, Module

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STEPS = """
def steps():
    yield "re" in sys.modules
    yield re2.search("b+", "abbc").span()
    for pattern in ("(", "a(?=b)"):
        try:
            re2.compile(pattern)
        except re2.error as error:
            yield type(error).__module__, error.msg, str(error), error.pattern, error.pos
    try:
        re2.RegexFlag
    except ImportError:
        yield "no flags"
    yield re2.error is re2.RegexError is re2.PatternError
"""

EXPECTED = [
    "False",
    "(1, 3)",
    str(("re2", "missing ): (", "missing ): (", None, None)),
    str(
        (
            "re2",
            *["invalid perl operator: (?= (and module re, which could run the pattern, can't be imported)"]
            * 2,
            None,
            None,
        )
    ),
    "no flags",
    "True",
]

FILTER = """
import sys
import re2
from proxy_wasm import PluginContext, log
{steps}
class Plugin(PluginContext):
    def on_configure(self, configuration):
        if configuration == b"go":  # not while the build warms up, when all modules are at hand
            for step in steps():
                log.info(str(step))
        return True
"""

PROGRAM = """
import importlib.util, sys
spec = importlib.util.spec_from_file_location("re2", sys.argv[1])
before = set(sys.modules)
re2 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(re2)
for name in ("re", "enum"):
    assert name in before or name not in sys.modules, name
sys.modules.pop("re", None)
sys.meta_path.insert(0, type("No", (), {{"find_spec": staticmethod(lambda n, *_: (_ for _ in ()).throw(ImportError(n)))}}))
{steps}
for step in steps():
    print(step)
"""


def test_natively() -> None:
    command = [sys.executable, "-I", "-c", PROGRAM.format(steps=STEPS), str(built("re2"))]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout.splitlines() == EXPECTED, result.stderr


def test_inside_the_wasm(build_filter: Callable[..., Path]) -> None:
    host = Host()
    host.vm(Module.load(build_filter(FILTER.format(steps=STEPS)))).plugin(configuration=b"go")
    assert [line.message for line in host.logs] == EXPECTED
