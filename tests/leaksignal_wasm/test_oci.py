from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest
import wasmtime
from click.testing import CliRunner

from leaksignal_wasm import oci
from leaksignal_wasm.cli import cli
from leaksignal_wasm.errors import UserError

MODULE = bytes(
    wasmtime.wat2wasm(
        '(module (memory 1) (data (i32.const 0) "%s") (func (export "proxy_abi_version_0_2_1")))'
        % ("data" * 999)
    )
)


def test_the_compat_image_has_one_layer_with_plugin_wasm_in_it() -> None:
    packed = oci.image(MODULE)
    manifest = json.loads(packed.manifest.data)
    config, layer = packed.blobs
    assert "docker" not in manifest["mediaType"]
    assert [found["mediaType"] for found in manifest["layers"]] == [
        "application/vnd.oci.image.layer.v1.tar+gzip"
    ]
    assert manifest["annotations"] == {"module.wasm.image/variant": "compat"}
    with tarfile.open(fileobj=io.BytesIO(layer.data), mode="r:gz") as tar:
        assert tar.getnames() == ["plugin.wasm"]
        member = tar.extractfile("plugin.wasm")
        assert member
        assert member.read() == MODULE
    unpacked = hashlib.sha256(gzip.decompress(layer.data)).hexdigest()
    assert json.loads(config.data)["rootfs"]["diff_ids"] == [f"sha256:{unpacked}"]


def test_the_artifact_has_two_layers_and_the_module_is_one_of_them() -> None:
    packed = oci.image(MODULE, "artifact")
    manifest = json.loads(packed.manifest.data)
    assert manifest["config"]["mediaType"] == "application/vnd.module.wasm.config.v1+json"
    assert [found["mediaType"] for found in manifest["layers"]] == [
        "application/vnd.module.wasm.config.v1+json",
        "application/vnd.module.wasm.content.layer.v1+wasm",
    ]
    assert packed.blobs[1].data == MODULE


@pytest.mark.parametrize("variant", ["compat", "artifact"])
def test_every_blob_is_what_the_manifest_says_and_twice_the_same(variant: oci.Variant) -> None:
    packed = oci.image(MODULE, variant)
    manifest = json.loads(packed.manifest.data)
    blobs = {blob.digest: len(blob.data) for blob in packed.blobs}
    for found in (manifest["config"], *manifest["layers"]):
        assert blobs[found["digest"]] == found["size"]
    assert packed == oci.image(MODULE, variant)


def test_a_layout_holds_several_tags_and_a_tag_gives_way(tmp_path: Path) -> None:
    folder = tmp_path / "layout"
    oci.write_layout(oci.image(MODULE), folder, "1")
    oci.write_layout(oci.image(MODULE + b"\0"), folder, "2")
    oci.write_layout(oci.image(MODULE + b"\0\0"), folder, "1")
    index = json.loads((folder / "index.json").read_text())
    tags = {
        found["annotations"]["org.opencontainers.image.ref.name"]: found["digest"]
        for found in index["manifests"]
    }
    assert tags == {"2": oci.image(MODULE + b"\0").digest, "1": oci.image(MODULE + b"\0\0").digest}
    for found in index["manifests"]:
        data = (folder / "blobs" / "sha256" / found["digest"].removeprefix("sha256:")).read_bytes()
        assert f"sha256:{hashlib.sha256(data).hexdigest()}" == found["digest"]


def test_a_folder_with_other_things_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(UserError, match="not an OCI layout, and not empty"):
        oci.write_layout(oci.image(MODULE), tmp_path, "1")
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_push_to_a_layout_prints_the_digest(tmp_path: Path) -> None:
    (tmp_path / "f.wasm").write_bytes(MODULE)
    result = CliRunner().invoke(
        cli, ["push", str(tmp_path / "f.wasm"), "--layout", str(tmp_path / "l"), "--tag", "1.0"]
    )
    assert result.output.splitlines() == [f"{tmp_path / 'l'}:1.0", oci.image(MODULE).digest]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["none.wasm", "r.example/x"], 1, "none.wasm: can't be read"),
        ([__file__, "r.example/x"], 1, "not a wasm module"),
        (["half.wasm", "r.example/x"], 1, "half.wasm: not a whole wasm module"),
        (["half.wasm", "--layout", "l"], 1, "half.wasm: not a whole wasm module"),
        (["other.wasm", "--layout", "l"], 1, "other.wasm: declares no ABI version of Proxy-Wasm that"),
        (["future.wasm", "--layout", "l"], 1, "with a Proxy-Wasm SDK of ABI 0.1.0, 0.2.0, 0.2.1"),
        (["f.wasm"], 2, "name either a reference to push to, or --layout FOLDER"),
        (["f.wasm", "r.example/x", "--layout", "l"], 2, "name either"),
        (["f.wasm", "no-registry"], 1, "write REGISTRY/REPOSITORY:TAG"),
        (["f.wasm", "r.example/UPPER:1"], 1, "not a reference"),
        (["f.wasm", "127.0.0.1:1/x", "--plain-http"], 1, "127.0.0.1:1: the registry can't be reached"),
    ],
)
def test_what_push_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("f.wasm").write_bytes(MODULE)
    Path("half.wasm").write_bytes(MODULE[: len(MODULE) // 2])
    Path("other.wasm").write_bytes(wasmtime.wat2wasm("(module)"))
    Path("future.wasm").write_bytes(MODULE.replace(b"_0_2_1", b"_0_9_0"))
    result = CliRunner().invoke(cli, ["push", *arguments])
    assert result.exit_code == code
    assert said in result.stderr
    assert not Path("l").exists()
