"""Pushing to an OCI registry (the OCI distribution specification's push: blobs first, then the manifest).

Credentials come from Docker's configuration (`$DOCKER_CONFIG` or `~/.docker/config.json`: `auths`,
`credHelpers`, `credsStore`), are sent to the registry and its token service only, and appear in no message.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from leaksignal_wasm.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from leaksignal_wasm.oci import Image

_TIMEOUT: Final = 60.0
_FOUND_OR_NOT: Final = {HTTPStatus.OK, HTTPStatus.NOT_FOUND}
_DOCKER_HUB: Final = "index.docker.io"
_PARAMETER: Final = re.compile(r'(\w+)="([^"]*)"')
_REFERENCE: Final = re.compile(
    r"(?:oci://)?(?P<registry>[a-zA-Z0-9.\-]+(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)/"
    r"(?P<repository>[a-z0-9]+(?:[._\-/]+[a-z0-9]+)*)"
    r"(?::(?P<tag>[\w][\w.\-]{0,127}))?"
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where an image goes: `registry/repository:tag`."""

    registry: str
    repository: str
    tag: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `[oci://]REGISTRY/REPOSITORY[:TAG]`; the tag is `latest` if there is none."""
        found = _REFERENCE.fullmatch(text)
        registry = found["registry"] if found else ""
        if not found or (registry != "localhost" and not {".", ":"} & set(registry)):
            raise UserError(
                "not a reference that can be pushed to",
                where=text,
                remedy="write REGISTRY/REPOSITORY:TAG, such as ghcr.io/me/my-filter:1.0",
            )
        return cls(registry, found["repository"], found["tag"] or "latest")

    def __str__(self) -> str:
        return f"{self.registry}/{self.repository}:{self.tag}"


def push(packed: Image, target: Reference, *, plain_http: bool = False) -> None:
    """Upload what the registry lacks of an image, then its manifest under the tag."""
    session = _Session(target, plain_http=plain_http)
    base = f"/v2/{target.repository}"
    for blob in packed.blobs:
        if session.ask("HEAD", f"{base}/blobs/{blob.digest}", accept=_FOUND_OR_NOT).status == HTTPStatus.OK:
            continue
        begun = session.ask("POST", f"{base}/blobs/uploads/", b"", accept={HTTPStatus.ACCEPTED})
        location = begun.header("Location")
        joint = "&" if "?" in location else "?"
        session.ask(
            "PUT",
            f"{location}{joint}digest={urllib.parse.quote(blob.digest)}",
            blob.data,
            media_type="application/octet-stream",
            accept={HTTPStatus.CREATED},
        )
    manifest = packed.manifest
    session.ask(
        "PUT",
        f"{base}/manifests/{target.tag}",
        manifest.data,
        media_type=manifest.media_type,
        accept={HTTPStatus.OK, HTTPStatus.CREATED},
    )


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers.items() if key.lower() == name.lower()), "")


class _Session:
    """Requests to one registry, with whatever it asks for by way of authentication."""

    def __init__(self, target: Reference, *, plain_http: bool) -> None:
        self._target = target
        host = "registry-1.docker.io" if target.registry in {"docker.io", _DOCKER_HUB} else target.registry
        self._base = f"{'http' if plain_http else 'https'}://{host}"
        self._authorization: str | None = None

    def ask(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        *,
        media_type: str | None = None,
        accept: Collection[int],
    ) -> _Answer:
        """Send a request, authenticate once if told to, insist on one of the statuses."""
        full = urllib.parse.urljoin(self._base, url)
        answer = self._send(method, full, body, media_type)
        if answer.status == HTTPStatus.UNAUTHORIZED and (challenge := answer.header("WWW-Authenticate")):
            self._authorization = self._authenticate(challenge)
            answer = self._send(method, full, body, media_type)
        if answer.status not in accept:
            raise self._refused(method, full, answer)
        return answer

    def _send(self, method: str, url: str, body: bytes | None, media_type: str | None) -> _Answer:
        headers = {"Content-Type": media_type} if media_type else {}
        if (
            self._authorization
            and urllib.parse.urlsplit(url).netloc == urllib.parse.urlsplit(self._base).netloc
        ):
            headers["Authorization"] = self._authorization
        return _send(_request(method, url, body, headers))

    def _authenticate(self, challenge: str) -> str:
        scheme, _, rest = challenge.partition(" ")
        credentials = _credentials(self._target.registry)
        if scheme.lower() == "basic":
            if credentials is None:
                raise self._login_needed()
            return credentials.basic
        if scheme.lower() != "bearer":
            raise UserError(f"the registry asks for {scheme} authentication", where=str(self._target))
        return f"Bearer {self._token(dict(_PARAMETER.findall(rest)), credentials)}"

    def _token(self, challenge: dict[str, str], credentials: _Credentials | None) -> str:
        """Get a token as the distribution project's token specification says."""
        realm = challenge.get("realm", "")
        plain = self._base.startswith("http:")
        if not realm.startswith(("https://", "http://") if plain else "https://"):
            raise UserError(f"no token service to send a login to: {realm!r}", where=str(self._target))
        fields = {"scope": f"repository:{self._target.repository}:pull,push"}
        if "service" in challenge:
            fields["service"] = challenge["service"]
        if credentials is not None and credentials.identity_token:
            fields |= {"grant_type": "refresh_token", "client_id": "leaksignal-wasm"}
            fields["refresh_token"] = credentials.identity_token
            request = _request("POST", realm, urllib.parse.urlencode(fields).encode())
        else:
            request = _request("GET", f"{realm}?{urllib.parse.urlencode(fields)}")
            if credentials is not None:
                request.add_header("Authorization", credentials.basic)
        answer = _send(request)
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            raise self._login_needed()
        try:
            found = json.loads(answer.body)
            token = found.get("token") or found.get("access_token")
        except (ValueError, AttributeError):
            token = None
        if not isinstance(token, str):
            raise UserError(f"the token service answered {answer.status} without a token", where=realm)
        return token

    def _login_needed(self) -> UserError:
        return UserError(
            "the registry wants to know who you are, and Docker's configuration has no (valid) login for it",
            where=str(self._target),
            remedy=f"docker login {self._target.registry}",
        )

    def _refused(self, method: str, url: str, answer: _Answer) -> UserError:
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return self._login_needed()
        try:
            told = "; ".join(
                f"{error['code']}: {error.get('message', '')}" for error in json.loads(answer.body)["errors"]
            )
        except (ValueError, KeyError, TypeError):
            told = answer.body[:200].decode("utf-8", "replace")
        path = urllib.parse.urlsplit(url).path
        return UserError(
            f"the registry answered {answer.status} to {method} {path}: {told}", where=str(self._target)
        )


def _request(
    method: str, url: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> urllib.request.Request:
    # Every URL here begins with http or https: the base by construction, the token service by a check.
    return urllib.request.Request(url, data=body, headers=dict(headers or {}), method=method)  # noqa: S310


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the credentials elsewhere; registries don't redirect pushes."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


def _send(request: urllib.request.Request) -> _Answer:
    opener = urllib.request.build_opener(_NoRedirect)
    try:
        with opener.open(request, timeout=_TIMEOUT) as answer:
            return _Answer(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, dict(error.headers), error.read())
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        plain = isinstance(reason, ssl.SSLError) and "WRONG_VERSION_NUMBER" in str(reason)
        raise UserError(
            "the registry speaks plain HTTP" if plain else f"the registry can't be reached: {reason}",
            where=urllib.parse.urlsplit(request.full_url).netloc,
            remedy="--plain-http, if that is meant" if plain else "check its name, and that it runs",
        ) from None


@dataclass(frozen=True, slots=True, repr=False)
class _Credentials:
    username: str
    password: str
    identity_token: str = ""

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


def _credentials(registry: str) -> _Credentials | None:
    """Look a registry up in Docker's configuration."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    file = folder / "config.json"
    try:
        config = json.loads(file.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"can't be read: {error}", where=str(file)) from None
    hub = registry in {"docker.io", "registry-1.docker.io", _DOCKER_HUB}
    keys = ["https://index.docker.io/v1/", _DOCKER_HUB, "docker.io"] if hub else [registry]
    helper = next((config.get("credHelpers", {}).get(key) for key in keys), None) or config.get("credsStore")
    if helper:
        return _from_helper(str(helper), keys[0])
    for key, entry in config.get("auths", {}).items():
        if key in keys or urllib.parse.urlsplit(key).netloc in keys or key.partition("/")[0] in keys:
            return _from_entry(entry, file)
    return None


def _from_entry(entry: Mapping[str, str], file: Path) -> _Credentials | None:
    username, password = entry.get("username", ""), entry.get("password", "")
    if auth := entry.get("auth"):
        try:
            username, _, password = base64.b64decode(auth).decode().partition(":")
        except ValueError:
            raise UserError("an `auth` entry is not base64 of user:password", where=str(file)) from None
    token = entry.get("identitytoken", "")
    return _Credentials(username, password.rstrip("\0"), token) if username or token else None


def _from_helper(helper: str, registry: str) -> _Credentials | None:
    """Ask `docker-credential-HELPER`, as Docker does."""
    program = f"docker-credential-{helper}"
    try:
        done = subprocess.run(
            [program, "get"], input=registry, capture_output=True, text=True, check=False, timeout=_TIMEOUT
        )
    except (OSError, subprocess.TimeoutExpired):
        raise UserError(
            f"Docker's configuration names the credential helper {program}, which can't be run",
            where=registry,
        ) from None
    if done.returncode:
        return None
    found = json.loads(done.stdout)
    username, secret = found.get("Username", ""), found.get("Secret", "")
    return _Credentials("", "", secret) if username == "<token>" else _Credentials(username, secret)
