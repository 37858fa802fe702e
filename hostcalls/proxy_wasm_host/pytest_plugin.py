"""pytest plugin: fixtures for filters under test.

    def test_adds_a_header(proxy_wasm_filter):
        plugin = proxy_wasm_filter(MyPlugin, configuration={"name": "x-team"})
        with plugin.http_stream() as stream:
            stream.request([(":method", "GET"), (":path", "/"), (":authority", "example.org")])
            assert stream.upstream.headers["x-team"] == b"1"

Filters run natively; with `pytest --proxy-wasm-module filter.wasm` the very same tests run the built module instead.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from proxy_wasm_host import Host, Plugin

OPTION = "--proxy-wasm-module"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--proxy-wasm-module`."""
    group = parser.getgroup("proxy-wasm", "Proxy-Wasm filters")
    group.addoption(
        OPTION,
        metavar="FILE",
        type=Path,
        help="run the filters under test from this wasm module instead of natively",
    )


@pytest.fixture
def proxy_wasm_host() -> Iterator[Host]:
    """Return a host of this test alone: Envoy's behaviour, a virtual clock, nothing shared."""
    from proxy_wasm_host import Host  # noqa: PLC0415 -- loaded with the first test that wants it

    with Host() as host:
        yield host


@pytest.fixture(scope="session")
def proxy_wasm_module(pytestconfig: pytest.Config) -> Path | None:
    """Return the module given by `--proxy-wasm-module`, None where filters run natively."""
    path = pytestconfig.getoption(OPTION)
    return path if isinstance(path, Path) else None


class LoadFilter(Protocol):
    """Loads a filter into the test's host.

    `source` is a plugin class, or a module (path or bytes), which then runs as such whatever the command line
    says. Configurations may be text, bytes, or anything JSON can hold. Other keywords go to `Host.vm` or
    `Host.native_vm`.
    """

    def __call__(
        self,
        source: type[Any] | Path | str | bytes,
        *,
        configuration: str | bytes | Mapping[str, Any] = b"",
        vm_configuration: str | bytes | Mapping[str, Any] = b"",
        name: str = "filter",
        root_id: str = "",
        **options: Any,
    ) -> Plugin:
        """Load `source` and configure a plugin of it."""
        ...


@pytest.fixture
def proxy_wasm_filter(proxy_wasm_host: Host, proxy_wasm_module: Path | None) -> LoadFilter:
    """Return a function that loads a filter, natively or from `--proxy-wasm-module`."""

    def load(
        source: type[Any] | Path | str | bytes,
        *,
        configuration: str | bytes | Mapping[str, Any] = b"",
        vm_configuration: str | bytes | Mapping[str, Any] = b"",
        name: str = "filter",
        root_id: str = "",
        **options: Any,
    ) -> Plugin:
        if isinstance(source, type):
            if proxy_wasm_module is None:
                vm = proxy_wasm_host.native_vm(source, configuration=_bytes(vm_configuration), **options)
                return vm.plugin(name, root_id, _bytes(configuration))
            source = proxy_wasm_module
        from proxy_wasm_host import Module  # noqa: PLC0415 -- loaded with the first test that wants it

        wasm = proxy_wasm_host.vm(Module.load(source), configuration=_bytes(vm_configuration), **options)
        return wasm.plugin(name, root_id, _bytes(configuration))

    return load


def _bytes(configuration: str | bytes | Mapping[str, Any]) -> bytes:
    if isinstance(configuration, bytes):
        return configuration
    text = configuration if isinstance(configuration, str) else json.dumps(configuration)
    return text.encode()
