"""A module as an OCI image that Istio's (and Envoy Gateway's) fetcher unpacks, and an image layout on disk.

Two shapes, both from the Wasm image specification (solo-io/wasm, `spec/spec-compat.md` and `spec/spec.md`) as
Istio's `pkg/wasm/imagefetcher.go` reads them:

- `compat`: an ordinary image with one `tar+gzip` layer that holds `plugin.wasm`; any registry takes it;
- `artifact`: two layers with media types of their own, the module as it is and a small runtime configuration.

The same module gives the same bytes and so the same digest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from leaksignal_wasm.errors import UserError
from leaksignal_wasm.hosts import ABI_VERSIONS, abi_version
from leaksignal_wasm.wasm import Module, WasmFormatError

if TYPE_CHECKING:
    from pathlib import Path

Variant = Literal["compat", "artifact"]

MANIFEST_TYPE: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX_TYPE: Final = "application/vnd.oci.image.index.v1+json"
WASM_CONFIG_TYPE: Final = "application/vnd.module.wasm.config.v1+json"
WASM_LAYER_TYPE: Final = "application/vnd.module.wasm.content.layer.v1+wasm"

_WASM_MAGIC: Final = b"\0asm\1\0\0\0"
_TITLE: Final = "org.opencontainers.image.title"
_REF_NAME: Final = "org.opencontainers.image.ref.name"


@dataclass(frozen=True, slots=True)
class Blob:
    """Content and its media type."""

    media_type: str
    data: bytes

    @property
    def digest(self) -> str:
        """`sha256:` and the hash in hex."""
        return f"sha256:{hashlib.sha256(self.data).hexdigest()}"

    def descriptor(self, annotations: dict[str, str] | None = None) -> dict[str, Any]:
        """Describe the blob as manifests do."""
        found: dict[str, Any] = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.data)}
        return found | ({"annotations": annotations} if annotations else {})


@dataclass(frozen=True, slots=True)
class Image:
    """A manifest and the blobs it names."""

    manifest: Blob
    blobs: tuple[Blob, ...]

    @property
    def digest(self) -> str:
        """The digest of the manifest, by which Istio caches and users pin."""
        return self.manifest.digest


def read_module(path: Path) -> bytes:
    """Read a whole Proxy-Wasm module of an ABI that Envoy knows; `UserError` for anything else."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"can't be read: {error.strerror}", where=str(path), remedy="leaksignal-wasm build makes one"
        ) from None
    if not data.startswith(_WASM_MAGIC):
        raise UserError("not a wasm module", where=str(path), remedy="name the .wasm file that build wrote")
    try:
        version = abi_version(Module.parse(data))
    except WasmFormatError as error:
        raise UserError(
            f"not a whole wasm module: {error}",
            where=str(path),
            remedy="build or copy it again; a truncated file looks like this",
        ) from error
    if version is None:
        raise UserError(
            "declares no ABI version of Proxy-Wasm that Envoy knows",
            where=str(path),
            remedy=f"build it with a Proxy-Wasm SDK of ABI {', '.join(ABI_VERSIONS)}",
        )
    return data


def image(module: bytes, variant: Variant = "compat") -> Image:
    """Pack a module."""
    return _compat(module) if variant == "compat" else _artifact(module)


def _compat(module: bytes) -> Image:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("plugin.wasm")
        member.size = len(module)
        tar.addfile(member, io.BytesIO(module))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=packed, compresslevel=9, mtime=0) as stream:
        stream.write(archive.getvalue())
    layer = Blob("application/vnd.oci.image.layer.v1.tar+gzip", packed.getvalue())
    diff = f"sha256:{hashlib.sha256(archive.getvalue()).hexdigest()}"
    config = _json_blob(
        "application/vnd.oci.image.config.v1+json",
        {
            "architecture": "wasm",
            "os": "wasi",
            "config": {},
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        },
    )
    return _image(config, [layer.descriptor()], (config, layer), {"module.wasm.image/variant": "compat"})


def _artifact(module: bytes) -> Image:
    config = _json_blob(
        WASM_CONFIG_TYPE, {"type": "envoy_proxy", "abiVersions": ["0.2.1"], "config": {"root_ids": []}}
    )
    layer = Blob(WASM_LAYER_TYPE, module)
    layers = [config.descriptor({_TITLE: "runtime-config.json"}), layer.descriptor({_TITLE: "plugin.wasm"})]
    return _image(config, layers, (config, layer), {"module.wasm.image/variant": "oci"})


def _image(
    config: Blob, layers: list[dict[str, Any]], blobs: tuple[Blob, ...], annotations: dict[str, str]
) -> Image:
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST_TYPE,
        "config": config.descriptor(),
        "layers": layers,
        "annotations": annotations,
    }
    return Image(_json_blob(MANIFEST_TYPE, manifest), blobs)


def _json_blob(media_type: str, value: object) -> Blob:
    return Blob(media_type, json.dumps(value, separators=(",", ":")).encode())


def write_layout(packed: Image, folder: Path, tag: str) -> None:
    """Put the image into an OCI layout, made if there is none; an image with the same tag gives way."""
    index_file = folder / "index.json"
    if (
        folder.exists()
        and not (folder / "oci-layout").exists()
        and (not folder.is_dir() or any(folder.iterdir()))
    ):
        raise UserError(
            "not an OCI layout, and not empty", where=str(folder), remedy="name a new folder or an OCI layout"
        )
    index: dict[str, Any] = {"schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": []}
    if index_file.exists():
        index = _index(index_file)
    index["manifests"] = [
        found for found in index["manifests"] if found.get("annotations", {}).get(_REF_NAME) != tag
    ] + [packed.manifest.descriptor({_REF_NAME: tag})]
    try:
        blobs = folder / "blobs" / "sha256"
        blobs.mkdir(parents=True, exist_ok=True)
        for blob in (*packed.blobs, packed.manifest):
            (blobs / blob.digest.removeprefix("sha256:")).write_bytes(blob.data)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        index_file.write_text(json.dumps(index, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"can't be written: {error.strerror}", where=str(error.filename or folder)) from None


def _index(file: Path) -> dict[str, Any]:
    try:
        index = json.loads(file.read_bytes())
    except (OSError, ValueError) as error:
        raise UserError(f"not a JSON index: {error}", where=str(file)) from None
    if not isinstance(index, dict) or not isinstance(index.get("manifests"), list):
        raise UserError("an index without `manifests`", where=str(file))
    return index
