"""The fixtures, used by a test file as its author would use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import wasmtime
from tests.proxy_wasm_host.probe import wat

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

# An inner run in this process that ended faulthandler would take the engine's signal handlers with it, and
# the next trap would end the process.
ALONE = ("-p", "no:cacheprovider", "-p", "no:faulthandler")

FILTER_TEST = """
from proxy_wasm import HttpContext, PluginContext
from proxy_wasm_host import Host

class Stream(HttpContext):
    def on_request_headers(self, num_headers, end_of_stream):
        self.request_headers["x-team"] = self.plugin.team

class Plugin(PluginContext):
    http_context = Stream

    def on_configure(self, configuration):
        self.team = configuration.decode()
        return True

def test_adds_the_team(proxy_wasm_filter, proxy_wasm_host):
    assert isinstance(proxy_wasm_host, Host)
    plugin = proxy_wasm_filter(Plugin, configuration="core")
    with plugin.http_stream() as stream:
        stream.request([(":method", "GET"), (":path", "/"), (":authority", "a")])
    assert stream.upstream.headers.get("x-team") == EXPECTED

def test_hosts_are_fresh(proxy_wasm_host):
    assert proxy_wasm_host.vms == []
"""


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # The inner run is not the project's: its options don't count there.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.mark.usefixtures("quiet")
def test_a_filter_is_tested_natively(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(FILTER_TEST.replace("EXPECTED", 'b"core"'))
    pytester.runpytest_inprocess(*ALONE).assert_outcomes(passed=2)


@pytest.mark.usefixtures("quiet")
def test_the_same_tests_run_a_module(pytester: pytest.Pytester, tmp_path: Path) -> None:
    module = tmp_path / "filter.wasm"
    # A module that does nothing, so the difference shows.
    module.write_bytes(wasmtime.wat2wasm(wat(only=[])))
    pytester.makepyfile(FILTER_TEST.replace("EXPECTED", "None"))
    run = pytester.runpytest_inprocess(*ALONE, f"--proxy-wasm-module={module}")
    run.assert_outcomes(passed=2)


@pytest.mark.usefixtures("quiet")
def test_a_module_can_be_loaded_by_name(pytester: pytest.Pytester, tmp_path: Path) -> None:
    module = tmp_path / "filter.wasm"
    module.write_bytes(wasmtime.wat2wasm(wat(only=[])))
    pytester.makepyfile(f"""
        def test_loads(proxy_wasm_filter):
            plugin = proxy_wasm_filter({str(module)!r}, configuration={{"a": 1}}, vm_id="v")
            assert plugin.configuration == b'{{"a": 1}}'
            assert plugin.vm.vm_id == "v"
    """)
    pytester.runpytest_inprocess(*ALONE).assert_outcomes(passed=1)
