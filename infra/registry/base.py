"""What there is to say about an image in a registry: its reference, what was found, and why not."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from infra.engine import registry as host_of
from infra.image import name_of

DOCKER_HUB = "docker.io"
HUB_NAMES = (DOCKER_HUB, "index.docker.io")
# The distribution specification's grammar of names; a digest is sha256's, which every registry has.
NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RegistryError(Exception):
    """There is no usable image; one line: what, where."""


class ImageMissing(RegistryError):
    """The registry has no such image for linux/amd64, or the reference is none."""


class ImageRefused(RegistryError):
    """Private, or not there: many registries do not tell one from the other."""

    def __init__(self, message: str, with_login: bool) -> None:
        super().__init__(message)
        self.with_login = with_login
        """Whether the registry has refused a login, too, and not only the world."""


class NoAnswer(RegistryError):
    """Nobody can tell: out of reach, late, overloaded, or not a registry. Proves nothing about the image."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An image's name, taken apart."""

    text: str
    host: str
    """Of the registry as Docker's config knows it."""
    repository: str
    version: str
    """A tag or a digest."""


@dataclass(frozen=True, slots=True)
class RemoteImage:
    """An image for linux/amd64 as its registry has it."""

    pinned: str
    """Its reference by digest: always this very image."""
    size: int
    """Bytes that are pulled: compressed layers and the config."""
    labels: Mapping[str, str]
    public: bool
    """Whether it can be pulled without a credential."""


def parse(reference: str) -> Reference:
    """Docker's short names are those of Docker Hub; no tag means `latest`.

    Raises:
        ImageMissing: not a reference.
    """
    name, at, digest = reference.partition("@")
    bare = name_of(reference)
    tag = name[len(bare) + 1 :] if name != bare else "latest"
    host = host_of(bare)
    repository = bare.removeprefix(f"{host}/")
    if host in HUB_NAMES:
        host = DOCKER_HUB
        repository = repository if "/" in repository else f"library/{repository}"
    if not NAME.fullmatch(repository) or not TAG.fullmatch(tag) or (at and not DIGEST.fullmatch(digest)):
        raise ImageMissing(f"image {reference!r} is not a reference such as ghcr.io/me/codecjob:1 or name@sha256:...")
    return Reference(reference, host, repository, digest if at else tag)


def is_loopback(host: str) -> bool:
    """Whether a registry's host, with or without a port, is this very machine: only there http is allowed."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"


def is_digest(text: str) -> bool:
    """Whether it names content by its SHA-256."""
    return DIGEST.fullmatch(text) is not None
