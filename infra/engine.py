"""The Docker engine that $DOCKER_HOST names, by default this machine's, and what it says when it won't."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import docker

HOST_VARIABLE = "DOCKER_HOST"
DEFAULT_HOST = "unix:///var/run/docker.sock"
# What registries and engines write where a credential is missing or wrong. Some say it of an image that isn't there.
DENIED = ("denied", "unauthorized", "authentication required", "no basic auth", "authorization failed", "forbidden")
UNKNOWN = ("manifest unknown", "not found", "name unknown", "invalid reference format", "no such image")


class EngineError(Exception):
    """The engine could not do what it was asked; one line: what failed, where, how to mend it."""


class EngineDown(EngineError):
    """The engine gives no answer. Proves nothing about its containers."""


class EngineRefuses(EngineError):
    """The engine, or a registry behind it, refuses the credentials."""


def host() -> str:
    """Where the engine is, as $DOCKER_HOST has it."""
    return os.environ.get(HOST_VARIABLE) or DEFAULT_HOST


def is_local() -> bool:
    """Whether the engine is reached over a socket of this machine."""
    return host().startswith("unix://")


def connect() -> docker.DockerClient:
    """A client of the engine, with which it has spoken once.

    Raises:
        EngineDown: nobody answers there.
        EngineRefuses: this user may not use it.
        EngineError: the address itself is wrong.
    """
    import docker

    with answers("connect"):
        return docker.from_env()


@contextmanager
def answers(what: str) -> Iterator[None]:
    """Turns what the docker package raises when no engine answers into one line. The engine's own errors pass."""
    import requests
    import urllib3.exceptions

    import docker

    try:
        yield
    except docker.errors.APIError:
        raise
    except (
        docker.errors.DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,  # of a stream that breaks off: the docker package reads it past requests
        OSError,
        ValueError,
    ) as error:
        if "permission denied" in str(error).lower():
            raise EngineRefuses(
                f"this user may not use the Docker engine at {host()}: join the group docker, or set ${HOST_VARIABLE}"
            ) from error
        if isinstance(error, docker.errors.TLSParameterError | ValueError) and not isinstance(error, OSError):
            raise EngineError(f"${HOST_VARIABLE} {host()!r}: {_first_line(error)}") from error
        raise EngineDown(
            f"no Docker engine answers at {host()} ({what}): start it (systemctl start docker), or set "
            f"${HOST_VARIABLE} to one that runs"
        ) from error


def pull(client: docker.DockerClient, reference: str) -> None:
    """Fetches an image from its registry, with the login of Docker's own config.

    Raises:
        EngineRefuses: the image is private and there is no credential for it, or there is no such image: registries do
            not tell one from the other.
        EngineError: it could not be fetched.
    """
    import docker

    try:
        with answers(f"pull of {reference}"):
            for event in client.api.pull(reference, stream=True, decode=True):
                if "error" in event:
                    raise registry_error(reference, str(event["error"]))
    except docker.errors.APIError as error:
        raise registry_error(reference, explain(error)) from error


def registry_error(reference: str, said: str) -> EngineError:
    """What a registry's refusal means to the user."""
    text = said.lower()
    if any(word in text for word in DENIED):
        return EngineRefuses(
            f"image {reference}: the registry has no such image, or it is private: "
            f"`docker login {registry(reference)}` stores a credential ({said})"
        )
    if any(word in text for word in UNKNOWN):
        return EngineError(f"image {reference}: there is no such image ({said}); `codecjob image build` makes one")
    return EngineError(f"image {reference}: no answer from its registry: {said}")


def registry(reference: str) -> str:
    """The registry's host of an image reference; Docker's own where it names none."""
    first, slash, _ = reference.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def explain(error: docker.errors.APIError) -> str:
    """The engine's own words, in one line."""
    return _first_line(error.explanation or error)


def _first_line(text: object) -> str:
    return " ".join(str(text).split())
