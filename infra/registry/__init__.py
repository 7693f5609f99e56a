"""What a registry says of an image, asked before anybody pays for a pod that would pull it."""

from __future__ import annotations

import threading
import time
import warnings
from collections.abc import Callable

from infra.registry.base import ImageMissing, ImageRefused, NoAnswer, Reference, RegistryError, RemoteImage, parse
from infra.registry.client import Visit

__all__ = ["ImageMissing", "ImageRefused", "NoAnswer", "RegistryError", "RemoteImage", "look"]

SECONDS = 10.0


def look(reference: str, seconds: float = SECONDS) -> RemoteImage:
    """Ask an image's registry for it: first as anybody, then with the login of Docker's own config if there is one.

    Raises:
        ImageMissing, ImageRefused: a pull would fail.
        NoAnswer: also after so many seconds, whatever the registry does.
    """
    wanted = parse(reference)
    asked = _Later(lambda: _look(wanted, time.monotonic() + seconds))
    asked.join(seconds)
    return asked.result(f"image {reference}: no answer from {wanted.host} within {seconds:g} s")


class _Later(threading.Thread):
    """A call that is left alone when it is late: no timeout of requests ends a slow DNS or a trickling answer."""

    def __init__(self, call: Callable[[], RemoteImage]) -> None:
        super().__init__(name="registry", daemon=True)
        self.call = call
        self.found: RemoteImage | Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            self.found = self.call()
        except Exception as error:  # noqa: BLE001 - raised again where the caller is
            self.found = error

    def result(self, late: str) -> RemoteImage:
        if self.found is None:
            raise NoAnswer(late)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


def _look(wanted: Reference, deadline: float) -> RemoteImage:
    try:
        return Visit(wanted, deadline).image()
    except (ImageMissing, ImageRefused) as first:  # some registries hide what is private behind "not found"
        login = _login(wanted, first)
        if not login:
            raise
        try:
            return Visit(wanted, deadline, login).image()
        except ImageRefused as second:
            raise (first if isinstance(first, ImageMissing) else second) from None


def _login(wanted: Reference, refusal: RegistryError) -> dict[str, str]:
    """What `docker login` has stored for a registry, by lower-case names; empty where there is nothing."""
    import docker.auth
    from docker.errors import DockerException

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a helper that is not installed, which the error says, too
            found = docker.auth.load_config().resolve_authconfig(wanted.host) or {}
    except (DockerException, ValueError, OSError) as error:
        raise ImageRefused(f"{refusal} (Docker's config cannot be read: {error})", with_login=False) from error
    return {name.lower(): str(value) for name, value in found.items() if value}
