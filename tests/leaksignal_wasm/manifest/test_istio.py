"""WasmPlugin resources against the CRD that Istio itself installs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import wasmtime
import yaml
from click.testing import CliRunner

from leaksignal_wasm import oci
from leaksignal_wasm.cli import cli
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.manifest import FailStrategy, Phase, Traffic, WasmPluginOptions, wasm_plugin

ISTIO_API = "istio.io/api@v1.31.4"
ISTIO_API_SUM = "h1:AcnncYrlDj1PJkym7h88Gggkef4MAra8QpGaXRMsr+E="
DIGEST = "0f" * 32


@pytest.fixture(scope="session")
def crd() -> jsonschema.Draft202012Validator:
    """The schema of WasmPlugin v1alpha1, in which unknown fields are errors, as `kubectl apply` has them."""
    go = shutil.which("go")
    if go is None:
        assert not os.environ.get("CI"), "Istio's CRDs come by Go's package client"
        pytest.skip("there is no go on PATH to get Istio's CRDs with: install Go")
    download = subprocess.run(
        [go, "mod", "download", "-json", ISTIO_API],
        capture_output=True,
        check=True,
        cwd="/",
        env={**os.environ, "GOSUMDB": "off"},  # ISTIO_API_SUM is checked below
    )
    facts = json.loads(download.stdout)
    assert facts["Sum"] == ISTIO_API_SUM
    file = Path(facts["Dir"]) / "kubernetes" / "customresourcedefinitions.gen.yaml"
    # The file holds all CRDs, 850 kB of them: only the one document is parsed.
    document = next(text for text in file.read_text().split("\n---\n") if "\n    kind: WasmPlugin\n" in text)
    (version,) = [v for v in yaml.safe_load(document)["spec"]["versions"] if v["name"] == "v1alpha1"]
    schema = version["schema"]["openAPIV3Schema"]
    schema["properties"] |= {
        "apiVersion": {},
        "kind": {},
        "metadata": {"type": "object", "required": ["name"]},
    }
    return jsonschema.Draft202012Validator(strict(schema))


def strict(schema: Any) -> Any:
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


@pytest.fixture
def module(tmp_path: Path) -> Path:
    file = tmp_path / "My_Filter.wasm"
    file.write_bytes(
        wasmtime.wat2wasm(
            '(module (memory (export "memory") 2 1024) (func (export "proxy_abi_version_0_2_1")))'
        )
    )
    return file


def manifest(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(cli, ["manifest", "istio", *map(str, arguments)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = yaml.safe_load(result.stdout)
    return document


def test_the_crd_is_strict_enough_to_refuse_a_typo(crd: jsonschema.Draft202012Validator) -> None:
    resource = wasm_plugin("x", "oci://example.org/x:1")
    assert crd.is_valid(resource)
    resource["spec"]["failstrategy"] = "FAIL_OPEN"
    assert not crd.is_valid(resource)


@pytest.mark.parametrize(
    "options",
    [
        WasmPluginOptions(),
        WasmPluginOptions(
            namespace="istio-system",
            sha256=DIGEST,
            phase=Phase.AUTHN,
            priority=-5,
            fail_strategy=FailStrategy.FAIL_CLOSE,
            labels={"app.kubernetes.io/name": "shop"},
            traffic=Traffic.SERVER,
            ports=[80, 8080],
            config={"nested": {"deep": [1, None, "é"]}},
            plugin_name="root",
            environment={"A": "b"},
            host_environment=["POD_NAME"],
            pull_policy="IfNotPresent",
            pull_secret="registry",
        ),
        WasmPluginOptions(
            targets=["Gateway/in", "GatewayClass/c", "Service/s", "ServiceEntry/e"], network=True
        ),
        *[WasmPluginOptions(phase=phase) for phase in Phase],
        *[WasmPluginOptions(fail_strategy=strategy) for strategy in FailStrategy],
        *[WasmPluginOptions(traffic=traffic) for traffic in Traffic],
        *[WasmPluginOptions(pull_policy=policy) for policy in ("IfNotPresent", "Always")],
    ],
)
def test_istio_knows_every_field_and_value(
    options: WasmPluginOptions, crd: jsonschema.Draft202012Validator
) -> None:
    crd.validate(wasm_plugin("my-filter", "oci://example.org/filter:1", options))


def test_an_image_is_checked_by_the_digest_that_push_makes(
    module: Path, crd: jsonschema.Draft202012Validator
) -> None:
    resource = manifest(module, "--url", "oci://example.org/filter:1")
    crd.validate(resource)
    assert resource["metadata"] == {"name": "my-filter"}
    assert f"sha256:{resource['spec']['sha256']}" == oci.image(module.read_bytes()).digest
    assert resource["spec"]["failStrategy"] == "FAIL_RELOAD"


@pytest.mark.parametrize("url", ["file:///etc/filter.wasm", "https://example.org/filter.wasm"])
def test_a_file_is_checked_by_its_own_digest(
    url: str, module: Path, crd: jsonschema.Draft202012Validator
) -> None:
    resource = manifest(module, "--url", url)
    crd.validate(resource)
    assert resource["spec"]["sha256"] == hashlib.sha256(module.read_bytes()).hexdigest()
    assert "sha256" not in manifest(module, "--url", url, "--no-sha256")["spec"]


def test_every_option_of_the_command_arrives(
    module: Path, tmp_path: Path, crd: jsonschema.Draft202012Validator
) -> None:
    config = tmp_path / "config.json"
    config.write_text('{"b": 1, "a": "x\\ny"}')
    resource = manifest(
        *(module, "--url", "oci://r/f:1", "--name", "n", "--namespace", "ns", "--phase", "authz"),
        *("--priority", 3, "--selector", "app=shop", "--match", "client", "--match-port", 80, "--tcp"),
        *("--plugin-name", "p", "--config", f"@{config}", "--env", "A=b=c", "--env", "HOST_NAME"),
        *("--failure-policy", "open", "--pull-policy", "Always", "--pull-secret", "s"),
    )
    crd.validate(resource)
    spec = resource["spec"]
    spec.pop("sha256")
    assert resource == {
        "apiVersion": "extensions.istio.io/v1alpha1",
        "kind": "WasmPlugin",
        "metadata": {"name": "n", "namespace": "ns"},
        "spec": {
            "selector": {"matchLabels": {"app": "shop"}},
            "url": "oci://r/f:1",
            "imagePullPolicy": "Always",
            "imagePullSecret": "s",
            "type": "NETWORK",
            "phase": "AUTHZ",
            "priority": 3,
            "failStrategy": "FAIL_OPEN",
            "match": [{"mode": "CLIENT", "ports": [{"number": 80}]}],
            "pluginName": "p",
            "pluginConfig": {"b": 1, "a": "x\ny"},
            "vmConfig": {"env": [{"name": "A", "value": "b=c"}, {"name": "HOST_NAME", "valueFrom": "HOST"}]},
        },
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--url", "ftp://x"], "--url: 'ftp://x' is not a URL that Istio fetches"),
        (["--url", f"oci://x/y@sha256:{DIGEST}"], "the URL names the digest 0f0f"),
        (["--url", "oci://x/y", "--name", "No Name"], "'No Name' is not a name for a resource"),
        (["--url", "oci://x/y", "--config", "{"], "--config: not JSON"),
        (["--url", "oci://x/y", "--config", "[1]"], "a JSON list, not an object"),
        (["--url", "oci://x/y", "--selector", "app"], "'app' is not a label"),
        (["--url", "oci://x/y", "--selector", "a=b", "--target", "Gateway/x"], "either labels or targets"),
        (["--url", "oci://x/y", "--target", "Pod/x"], "'Pod/x' is not a target"),
        (["--url", "oci://x/y", "--env", f"A={'x' * 2049}"], "2048 characters at most"),
    ],
)
def test_what_istio_would_refuse_is_told(arguments: list[str], told: str, module: Path) -> None:
    result = CliRunner().invoke(cli, ["manifest", "istio", str(module), *arguments])
    assert result.exit_code == 1
    assert told in result.stderr


def test_what_is_no_module_is_told(tmp_path: Path) -> None:
    file = tmp_path / "x.wasm"
    file.write_bytes(b"\0asm\1\0\0\0\5")
    result = CliRunner().invoke(cli, ["manifest", "istio", str(file), "--url", "oci://x/y"])
    assert result.exit_code == 1
    assert "not a whole wasm module" in result.stderr


@pytest.mark.parametrize("where", [["envoy"], ["istio", "--url", "oci://x/y"]])
def test_a_module_of_an_unknown_abi_is_told(tmp_path: Path, where: list[str]) -> None:
    file = tmp_path / "x.wasm"
    file.write_bytes(wasmtime.wat2wasm('(module (func (export "proxy_abi_version_0_9_0")))'))
    result = CliRunner().invoke(cli, ["manifest", *where, str(file)])
    assert result.exit_code == 1
    assert "declares no ABI version of Proxy-Wasm that Envoy knows" in result.stderr


def test_a_name_that_kubernetes_refuses_is_an_error() -> None:
    with pytest.raises(UserError, match="not a name"):
        wasm_plugin("-x", "oci://x/y")
