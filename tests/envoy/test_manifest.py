from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from leaksignal_wasm.cli import cli
from leaksignal_wasm.envoy import EnvoyBinary, EnvoyProcess, validate
from leaksignal_wasm.envoy.testing import HttpUpstream, request
from leaksignal_wasm.envoy_config import bootstrap, direct_response, http_listener

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def greeter(wat_module: Callable[[str], Path]) -> Path:
    return wat_module("greeter")


def manifest(*arguments: object) -> tuple[Any, str]:
    result = CliRunner().invoke(cli, ["manifest", "envoy", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return yaml.safe_load(result.stdout), result.stdout


def test_the_filters_entry_fits_into_any_listener(greeter: Path, envoy_binary: EnvoyBinary) -> None:
    entry, text = manifest(greeter, "--config", '{"a": 1}', "--env", "A=b", "--failure-policy", "open")
    assert text.startswith("# greeter.wasm: 0.00 MB; each VM")
    assert hashlib.sha256(greeter.read_bytes()).hexdigest() in text
    assert entry[0]["typed_config"]["config"]["failure_policy"] == "FAIL_OPEN"
    config = bootstrap(
        listeners=[http_listener(routes=[direct_response("hi")], filters=entry)], release_memory=False
    )
    with EnvoyProcess(config, binary=envoy_binary) as envoy:
        assert request(envoy).body == b"hi"
        envoy.wait_for_log('configured: {"a": 1}')


def test_the_whole_configuration_runs_as_it_is(
    greeter: Path, upstream: HttpUpstream, envoy_binary: EnvoyBinary
) -> None:
    config, _ = manifest(greeter, "--upstream", upstream.address, "--max-heap", 512)
    assert (
        config["overload_manager"]["resource_monitors"][0]["typed_config"]["max_heap_size_bytes"] == 512 << 20
    )
    assert config["memory_allocator_manager"]["bytes_to_release"]
    validate(config, binary=envoy_binary)
    # Its fixed ports may be taken on this machine.
    config["static_resources"]["listeners"][0]["address"]["socket_address"] = {
        "address": "127.0.0.1",
        "port_value": 0,
    }
    config["admin"]["address"]["socket_address"]["port_value"] = 0
    with EnvoyProcess(config, binary=envoy_binary) as envoy:
        assert request(envoy, "POST", "/x").status == 200
        assert upstream.requests[-1].path == "/x"


@pytest.mark.parametrize(
    "options",
    [
        ["--failure-policy", "closed", "--root-id", "r", "--vm-id", "v"],
        ["--failure-policy", "reload", "--reload-backoff", "0.5", "5"],
        ["--tcp"],
        ["--tcp", "--upstream", "db.example:5432", "--port", "5432"],
        ["--upstream", "https://example.org"],
        ["--url", "https://modules.example/filter.wasm"],
    ],
)
def test_envoy_validates_it(options: list[str], greeter: Path, envoy_binary: EnvoyBinary) -> None:
    assert manifest(greeter, *options, "--check", "--envoy", envoy_binary.path)[0]


def test_a_module_to_fetch_is_named_with_its_digest(greeter: Path) -> None:
    entry, _ = manifest(greeter, "--url", "https://modules.example/filter.wasm")
    remote = entry[0]["typed_config"]["config"]["vm_config"]["code"]["remote"]
    assert remote["sha256"] == hashlib.sha256(greeter.read_bytes()).hexdigest()
    assert remote["http_uri"]["cluster"] == "modules"


@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--path", "/nowhere/filter.wasm", "--check"], 1, "it cannot read /nowhere/filter.wasm"),
        (["--path", "/x", "--url", "https://x"], 2, "exclude each other"),
        (["--max-heap", "5"], 2, "give --upstream too"),
        (["--reload-backoff", "0.001", "1"], 1, "no back-off"),
    ],
)
def test_what_envoy_would_refuse_is_told(options: list[str], code: int, told: str, greeter: Path) -> None:
    result = CliRunner().invoke(cli, ["manifest", "envoy", str(greeter), *options])
    assert result.exit_code == code
    assert told in result.stderr
