"""The calls of one look at an image, as one user.

The OCI distribution specification (pull) with Docker's token authentication: a pull without its layers.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from infra.image import name_of
from infra.registry.base import (
    DOCKER_HUB,
    ImageMissing,
    ImageRefused,
    NoAnswer,
    Reference,
    RemoteImage,
    is_digest,
    is_loopback,
)

if TYPE_CHECKING:
    import requests

DOCKER_HUB_API = "registry-1.docker.io"
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
PLATFORM = ("linux", "amd64")
# The specification asks registries to take manifests up to 4 MiB.
MOST_BYTES = 4 << 20


@dataclass
class Visit:
    """The calls of one look, as one user."""

    wanted: Reference
    deadline: float
    login: Mapping[str, str] = field(default_factory=dict, repr=False)
    authorization: str = field(default="", repr=False)
    base: str = ""

    def image(self) -> RemoteImage:
        """Follows an index to the one for linux/amd64. Raises `ImageMissing`, `ImageRefused` or `NoAnswer`."""
        body, digest = self._manifest(self.wanted.version, (*MANIFESTS, *INDEXES))
        try:
            if "manifests" in body:
                chosen = [entry["digest"] for entry in body["manifests"] if _platform(entry.get("platform"))]
                if not chosen:
                    raise ImageMissing(f"image {self.wanted.text}: there is none for {'/'.join(PLATFORM)} in it")
                body, _ = self._manifest(chosen[0], MANIFESTS)
            config, _ = self._json(f"blobs/{body['config']['digest']}", ())
            if "architecture" in config and not _platform(config):
                built_for = f"{config.get('os')}/{config['architecture']}"
                raise ImageMissing(f"image {self.wanted.text} is for {built_for}, not for {'/'.join(PLATFORM)}")
            labels = (config.get("config") or {}).get("Labels") or {}
            return RemoteImage(
                pinned=f"{name_of(self.wanted.text)}@{digest}",
                size=sum(int(part["size"]) for part in (body["config"], *body["layers"])),
                labels={str(name): str(value) for name, value in labels.items()},
                public=not self.login,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._no_answer(f"answers with no manifest of an image ({error!r})") from error

    def _manifest(self, version: str, kinds: tuple[str, ...]) -> tuple[dict[str, Any], str]:
        return self._json(f"manifests/{version}", kinds)

    def _json(self, path: str, kinds: tuple[str, ...]) -> tuple[dict[str, Any], str]:
        """A manifest or a config, and its digest, which is that of the bytes: a digest asked for must be answered."""
        content = self._get(path, {"Accept": ", ".join(kinds)} if kinds else {})
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        asked = path.partition("/")[2]
        if is_digest(asked) and asked != digest:
            raise self._no_answer("answers with other content than its digest says")
        try:
            body = json.loads(content)
        except ValueError as error:
            raise self._no_answer("answers with no JSON") from error
        if not isinstance(body, dict):
            raise self._no_answer("answers with no manifest of an image")
        return body, digest

    def _get(self, path: str, headers: dict[str, str]) -> bytes:
        url = f"{self._base()}/{self.wanted.repository}/{path}"
        status, content, said = self._request("GET", url, headers | self._authorized())
        if status == 401 and not self.authorization:
            self._authorize(said.get("WWW-Authenticate", ""))
            status, content, _ = self._request("GET", url, headers | self._authorized())
        if status in (401, 403):
            raise self._refused()
        if status == 404 or (status == 400 and b"_INVALID" in content):
            raise ImageMissing(f"image {self.wanted.text}: {self.wanted.host} has no such image")
        if status != 200:
            raise self._no_answer(f"answers {status}")
        return content

    def _authorized(self) -> dict[str, str]:
        return {"Authorization": self.authorization} if self.authorization else {}

    def _base(self) -> str:
        """Docker's own registry has another name for its API. On loopback http comes first: a server that wants TLS
        answers 400 at once."""
        if self.base:
            return self.base
        host = DOCKER_HUB_API if self.wanted.host == DOCKER_HUB else self.wanted.host
        scheme = "https"
        if is_loopback(host):
            status, _, _ = self._request("GET", f"http://{host}/v2/", {})
            scheme = "https" if status == 400 else "http"
        self.base = f"{scheme}://{host}/v2"
        return self.base

    def _authorize(self, challenge: str) -> None:
        """Answer a registry's challenge: `Basic`, or `Bearer` with the place that gives tokens.

        https://distribution.github.io/distribution/spec/auth/token/
        """
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            if "username" not in self.login:
                raise self._refused()
            self.authorization = self._basic()
            return
        given = dict(re.findall(r'(\w+)="([^"]*)"', rest))
        if scheme.lower() != "bearer" or "realm" not in given:
            raise self._no_answer("asks for a login in no way that is known")
        asked = {"scope": f"repository:{self.wanted.repository}:pull"}
        if "service" in given:
            asked["service"] = given["service"]
        if token := self.login.get("identitytoken"):
            form = {**asked, "grant_type": "refresh_token", "client_id": "codecjob", "refresh_token": token}
            status, content, _ = self._request("POST", given["realm"], {}, data=form)
        else:
            headers = {"Authorization": self._basic()} if self.login else {}
            status, content, _ = self._request("GET", given["realm"], headers, params=asked)
        if status in (400, 401, 403, 404):
            raise self._refused()
        try:
            answer = json.loads(content) if status == 200 else {}
            self.authorization = f"Bearer {answer.get('token') or answer['access_token']}"
        except (KeyError, ValueError, AttributeError) as error:
            raise self._no_answer(f"gives no token ({status} from {urlsplit(given['realm']).hostname})") from error

    def _basic(self) -> str:
        from requests.auth import _basic_auth_str

        return _basic_auth_str(self.login.get("username", ""), self.login.get("password", ""))

    def _request(
        self, method: str, url: str, headers: dict[str, str], **more: Any
    ) -> tuple[int, bytes, Mapping[str, str]]:
        import requests

        # Also where a redirect or a token's place leads to: a credential never goes over a network in the clear.
        if urlsplit(url).scheme != "https" and not is_loopback(urlsplit(url).netloc):
            raise self._no_answer(f"leads to {url}, which is not https")
        left = max(self.deadline - time.monotonic(), 0.1)
        try:
            with (
                _session(url) as session,
                session.request(
                    method, url, headers=headers, auth=_as_given, timeout=left, stream=True, **more
                ) as answer,
            ):
                content = b""
                for piece in answer.iter_content(1 << 16):
                    content += piece
                    if len(content) > MOST_BYTES:
                        raise self._no_answer("answers with more than a manifest may hold")
                return answer.status_code, content, answer.headers
        except (requests.RequestException, OSError, ValueError) as error:
            raise self._no_answer(f"cannot be reached ({type(error).__name__})") from error

    def _refused(self) -> ImageRefused:
        whom = "this machine's login" if self.login else "anybody without a login"
        return ImageRefused(
            f"image {self.wanted.text}: {self.wanted.host} refuses {whom}: it is private, or there is none",
            bool(self.login),
        )

    def _no_answer(self, what: str) -> NoAnswer:
        return NoAnswer(f"image {self.wanted.text}: its registry {self.wanted.host} {what}")


def _session(url: str) -> requests.Session:
    """Follows redirects, as blobs need, but not from the network's https to http."""
    import requests

    session = requests.Session()
    session.max_redirects = 5
    if not is_loopback(urlsplit(url).netloc):
        session.adapters.pop("http://")
    return session


def _as_given(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Instead of a login from ~/.netrc, which requests would add: anybody has to mean anybody."""
    return request


def _platform(of: Any) -> bool:
    return isinstance(of, dict) and (of.get("os"), of.get("architecture")) == PLATFORM
