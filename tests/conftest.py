from __future__ import annotations

import importlib.util
import os
import signal
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from leaksignal_wasm import runtime
from leaksignal_wasm.builder import build
from leaksignal_wasm.builder.cache import cache_folder

if TYPE_CHECKING:
    from collections.abc import Callable

# A shell starts its background jobs with Ctrl-C ignored, and they hand that down. Tests send it to programs they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
DATA = Path(__file__).parent / "data"


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run that skipped anything: there every tool is installed, so a skip hides a missing one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if os.environ.get("CI") == "true" and skipped and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture(scope="session")
def har_files() -> dict[str, Path]:
    """Real captures that others published (`tests/data/captures.toml`), by name."""
    spec = importlib.util.spec_from_file_location("fetch_captures", DATA / "fetch_captures.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    files: dict[str, Path] = module.fetch()
    return files


@pytest.fixture(scope="session")
def build_filter() -> Callable[..., Path]:
    """Build a module of a filter's source, once for each source, set of options and state of the code that builds."""
    toolchain = sha256()
    for tree in ("build/leaksignal_wasm", "hostcalls/proxy_wasm"):
        for path in sorted((ROOT / tree).rglob("*.py")):
            toolchain.update(path.read_bytes())
    toolchain.update(runtime.locate().info["key"].encode())

    def build_once(source: str, **options: Any) -> Path:
        key = toolchain.copy()
        key.update(f"{source}\0{sorted(options.items())}".encode())
        folder = cache_folder() / "tests" / "modules" / key.hexdigest()[:32]
        module = folder / "filter.wasm"
        if not module.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "filter.py").write_text(source)
            build(folder / "filter.py", output=module, **options)
        return module

    return build_once
