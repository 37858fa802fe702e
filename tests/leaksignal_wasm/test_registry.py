"""Pushes to Debian's docker-registry and pulls back with skopeo and Istio's own fetcher: neither shares code with what pushed."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
import wasmtime
from click.testing import CliRunner

from leaksignal_wasm import oci
from leaksignal_wasm.cli import cli
from leaksignal_wasm.envoy import cache_dir
from leaksignal_wasm.errors import UserError
from leaksignal_wasm.registry import Reference, push

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE = bytes(wasmtime.wat2wasm('(module (func (export "proxy_abi_version_0_2_1")))')) + (
    b"\0\xe4\xa7\x12\3pad" + os.urandom(300_000)  # a custom section that can't be compressed
)
PASSWORD = "correct horse"
HTPASSWD = "tester:$2y$05$gx1ZzmW2BoT7Q3pixFLC/.9IqPywUU659xUFEU/lI6LkLZb53HEQW\n"


def tool(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {name}")
    return found


@contextmanager
def registry(folder: Path, *, htpasswd: bool) -> Iterator[str]:
    """Run docker-registry on a free port; yields host:port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "htpasswd").write_text(HTPASSWD)
    auth = f"auth: {{htpasswd: {{realm: test, path: {folder / 'htpasswd'}}}}}\n" if htpasswd else ""
    (folder / "config.yml").write_text(
        f"version: 0.1\nlog: {{level: error}}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder / 'data'}}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}'}}\n{auth}"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [tool("docker-registry"), "serve", str(folder / "config.yml")], stdout=log, stderr=log
        )
    try:
        for _ in range(200):
            assert process.poll() is None, (folder / "log").read_text()
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            threading.Event().wait(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registry(tmp_path_factory.mktemp("registry"), htpasswd=False) as host:
        yield host


@pytest.fixture(autouse=True)
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path / "config.json"


def pulled(host: str, name: str, folder: Path) -> dict[str, bytes]:
    """Copy an image out of the registry with skopeo; returns digest -> content of everything it wrote."""
    subprocess.run(
        [
            tool("skopeo"),
            "--insecure-policy",
            "copy",
            "--src-tls-verify=false",
            f"docker://{host}/{name}",
            f"dir:{folder}",
        ],
        check=True,
        capture_output=True,
    )
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_pushed_image_comes_back_through_an_independent_client(open_registry: str, tmp_path: Path) -> None:
    file = tmp_path / "f.wasm"
    file.write_bytes(MODULE)
    result = CliRunner().invoke(cli, ["push", str(file), f"oci://{open_registry}/team/f:1.0", "--plain-http"])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [f"oci://{open_registry}/team/f:1.0", oci.image(MODULE).digest]
    files = pulled(open_registry, "team/f:1.0", tmp_path / "out")
    manifest = json.loads(files["manifest.json"])
    layer = tmp_path / "out" / manifest["layers"][-1]["digest"].removeprefix("sha256:")
    with tarfile.open(layer, "r:gz") as tar:
        member = tar.extractfile("plugin.wasm")
        assert member
        assert member.read() == MODULE


def test_a_pushed_artifact_comes_back_as_it_was(open_registry: str, tmp_path: Path) -> None:
    packed = oci.image(MODULE, "artifact")
    push(packed, Reference.parse(f"{open_registry}/team/artifact:1"), plain_http=True)
    files = pulled(open_registry, "team/artifact:1", tmp_path / "out")
    assert files["manifest.json"] == packed.manifest.data
    assert MODULE in files.values()


FETCHER = Path(__file__).parent / "istio_fetcher"


@pytest.fixture(scope="module")
def istio_fetcher() -> Path:
    """Istio's image fetcher as a program; built once for each state of its sources."""
    go = tool("go")
    sources = b"".join(path.read_bytes() for path in sorted(FETCHER.iterdir()))
    program = cache_dir() / "tests" / f"istio-fetcher-{hashlib.sha256(sources).hexdigest()[:16]}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=program.parent) as folder:
            built = Path(folder) / "fetcher"
            subprocess.run([go, "build", "-trimpath", "-o", built, "."], cwd=FETCHER, check=True)
            built.rename(program)
    return program


@pytest.mark.timeout(600)  # compiling Istio's dependencies, once
def test_istio_fetches_either_variant(open_registry: str, istio_fetcher: Path) -> None:
    references = []
    for variant in ("compat", "artifact"):
        reference = Reference.parse(f"{open_registry}/istio/{variant}:1")
        push(oci.image(MODULE, variant), reference, plain_http=True)
        references.append(f"{open_registry}/istio/{variant}:1")
    run = subprocess.run([istio_fetcher, *references], capture_output=True, text=True, check=True)
    sha256 = hashlib.sha256(MODULE).hexdigest()
    fetched = [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]  # among its log
    assert fetched == [
        {"digest": oci.image(MODULE, variant).digest.removeprefix("sha256:"), "sha256": sha256, "error": ""}
        for variant in ("compat", "artifact")
    ]


def test_pushing_again_uploads_nothing_and_the_tag_moves(open_registry: str) -> None:
    for module in (MODULE, MODULE, MODULE + b"\0"):
        push(oci.image(module), Reference.parse(f"{open_registry}/again"), plain_http=True)
    request = urllib.request.Request(
        f"http://{open_registry}/v2/again/manifests/latest",
        headers={"Accept": oci.MANIFEST_TYPE},
        method="HEAD",
    )
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - http, as written above
        assert answer.headers["Docker-Content-Digest"] == oci.image(MODULE + b"\0").digest


def test_a_registry_with_basic_auth_takes_the_login_of_docker(tmp_path: Path, docker_config: Path) -> None:
    with registry(tmp_path, htpasswd=True) as host:
        target = Reference.parse(f"{host}/f:1")
        with pytest.raises(UserError, match="wants to know who you are") as caught:
            push(oci.image(MODULE), target, plain_http=True)
        assert caught.value.remedy == f"docker login {host}"
        docker_config.write_text(json.dumps({"auths": {host: {"auth": login("tester", "wrong")}}}))
        with pytest.raises(UserError, match="wants to know who you are") as caught:
            push(oci.image(MODULE), target, plain_http=True)
        assert "wrong" not in str(caught.value)
        docker_config.write_text(
            json.dumps({"auths": {f"http://{host}/v1/": {"auth": login("tester", PASSWORD)}}})
        )
        push(oci.image(MODULE), target, plain_http=True)


def test_a_credential_helper_is_asked(
    tmp_path: Path, docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-test"
    helper.write_text(
        f'#!/bin/sh\ncat >{tmp_path}/asked\necho \'{{"Username":"tester","Secret":"{PASSWORD}"}}\'\n'
    )
    helper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with registry(tmp_path, htpasswd=True) as host:
        docker_config.write_text(json.dumps({"credHelpers": {host: "test"}}))
        push(oci.image(MODULE), Reference.parse(f"{host}/f:1"), plain_http=True)
        assert (tmp_path / "asked").read_text() == host
    docker_config.write_text(json.dumps({"credsStore": "none-such"}))
    with (
        registry(tmp_path, htpasswd=True) as host,
        pytest.raises(UserError, match="docker-credential-none-such"),
    ):
        push(oci.image(MODULE), Reference.parse(f"{host}/f:1"), plain_http=True)


def login(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


class TokenRegistry(BaseHTTPRequestHandler):
    """Just enough of a registry that hands out tokens, as hosted ones do; stores nothing."""

    asked: list[str]

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        type(self).asked.append(f"{self.command} {url.path}")
        if url.path == "/token":
            assert parse_qs(url.query)["scope"] == ["repository:f:pull,push"]
            good = self.headers.get("Authorization") == f"Basic {login('me', 'pw')}"
            self.answer(200 if good else 401, b'{"token": "secret"}' if good else b"{}")
        elif self.headers.get("Authorization") != "Bearer secret":
            realm = f"http://{self.headers['Host']}/token"
            self.answer(401, WWW_Authenticate=f'Bearer realm="{realm}",service="test",scope="x"')
        elif self.command == "HEAD":
            self.answer(404)
        elif self.command == "POST":
            self.answer(202, Location=f"{url.path}1?state=x")
        elif "manifests/refused" in url.path:
            self.answer(400, b'{"errors": [{"code": "MANIFEST_INVALID", "message": "no"}]}')
        else:
            self.answer(201)

    do_GET = do_HEAD = do_POST = do_PUT = handle_any  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Say nothing."""


@pytest.fixture
def token_registry() -> Iterator[tuple[str, list[str]]]:
    handler = type("Handler", (TokenRegistry,), {"asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", handler.asked  # type: ignore[attr-defined]  # set above
        server.shutdown()
        thread.join()


def test_a_bearer_token_is_fetched_once_and_used(
    token_registry: tuple[str, list[str]], docker_config: Path
) -> None:
    host, asked = token_registry
    docker_config.write_text(json.dumps({"auths": {host: {"auth": login("me", "pw")}}}))
    push(oci.image(MODULE), Reference.parse(f"{host}/f:1"), plain_http=True)
    assert asked.count("GET /token") == 1
    assert asked[-1] == "PUT /v2/f/manifests/1"


def test_what_the_registry_says_reaches_the_user(
    token_registry: tuple[str, list[str]], docker_config: Path
) -> None:
    host, _ = token_registry
    docker_config.write_text(json.dumps({"auths": {host: {"auth": login("me", "pw")}}}))
    with pytest.raises(UserError, match="400 to PUT /v2/f/manifests/refused: MANIFEST_INVALID: no"):
        push(oci.image(MODULE), Reference.parse(f"{host}/f:refused"), plain_http=True)


def test_a_plain_registry_without_the_flag_gets_a_hint(open_registry: str) -> None:
    with pytest.raises(UserError) as caught:
        push(oci.image(MODULE), Reference.parse(f"{open_registry}/f"))
    assert caught.value.remedy == "--plain-http, if that is meant"
