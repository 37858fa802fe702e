"""pytest collects `*.wasmtest.yaml`: each test in them is an item, on the filter the file names.

With `--proxy-wasm-module X.wasm` they run on that built module instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from proxy_wasm_host.errors import ProxyWasmHostError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from _pytest._code.code import TerminalRepr

    from proxy_wasm_host.declarative.model import Case
    from proxy_wasm_host.target import Target

SUFFIX = ".wasmtest.yaml"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a declarative test file."""
    if not file_path.name.endswith(SUFFIX):
        return None
    return DeclarativeFile.from_parent(parent, path=file_path)


class DeclarativeFile(pytest.File):
    """One test file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each test and target."""
        from proxy_wasm_host.declarative.parse import load_tests  # noqa: PLC0415 -- most runs collect none

        try:
            cases = load_tests(self.path)
        except ProxyWasmHostError as error:
            raise self.CollectError(str(error)) from None
        module = self.config.getoption("--proxy-wasm-module", None)
        for case in cases:
            target = str(module) if module else case.filter
            if target is None:
                remedy = "add `filter: FILE.py` to it, or give --proxy-wasm-module"
                raise self.CollectError(f"{self.path}: names no filter\n  remedy: {remedy}")
            kind = "wasm" if target.endswith(".wasm") else "native"
            yield DeclarativeItem.from_parent(self, name=f"{case.name}[{kind}]", case=case, target=target)


class DeclarativeItem(pytest.Item):
    """One test on one target."""

    def __init__(self, *, case: Case, target: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.case = case
        self.target = target

    def runtest(self) -> None:
        """Run it; problems are raised in one."""
        from proxy_wasm_host.declarative.run import run_case  # noqa: PLC0415 -- as above

        result = run_case(self.case, _loaded(self.config, self.target))
        if result.problems:
            raise Unmet("\n".join(map(str, result.problems)))

    def repr_failure(
        self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None
    ) -> str | TerminalRepr:
        """Show what did not hold, without the traceback of this machinery."""
        if isinstance(excinfo.value, Unmet | ProxyWasmHostError):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Point to the test's line."""
        return self.path, self.case.node.line - 1, self.name


class Unmet(Exception):  # noqa: N818 -- not an error of a program but a test that failed
    """What did not hold."""


_LOADED: pytest.StashKey[dict[str, Target]] = pytest.StashKey()


def _loaded(config: pytest.Config, reference: str) -> Target:
    from proxy_wasm_host.target import load_target  # noqa: PLC0415 -- as above

    loaded = config.stash.setdefault(_LOADED, {})
    if reference not in loaded:
        loaded[reference] = load_target(reference)
    return loaded[reference]
