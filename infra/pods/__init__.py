"""Providers of pods: `open_provider` turns a name into a `Provider`."""

from __future__ import annotations

import difflib

from infra.pods.base import (
    ANY_MACHINE,
    ATTEMPT_VARIABLE,
    LAUNCH_ID_VARIABLE,
    MASTER_ADDR_VARIABLE,
    MASTER_PORT_VARIABLE,
    NODE_RANK_VARIABLE,
    NODES_VARIABLE,
    POD_ID_VARIABLE,
    PROVIDER_VARIABLE,
    RUN_VARIABLE,
    WORKSPACE_VARIABLE,
    Bills,
    CannotTell,
    InvalidRequest,
    LaunchRequest,
    Machine,
    NoBalance,
    NoCapacity,
    Offer,
    OfferRefused,
    Pod,
    PodState,
    Provider,
    ProviderError,
    RateLimited,
    TellsBoot,
    Transient,
    Unauthorised,
    pool_of,
)

__all__ = [
    "ANY_MACHINE",
    "ATTEMPT_VARIABLE",
    "LAUNCH_ID_VARIABLE",
    "MASTER_ADDR_VARIABLE",
    "MASTER_PORT_VARIABLE",
    "NODES_VARIABLE",
    "NODE_RANK_VARIABLE",
    "POD_ID_VARIABLE",
    "PROVIDERS",
    "PROVIDER_VARIABLE",
    "RUN_VARIABLE",
    "WORKSPACE_VARIABLE",
    "Bills",
    "CannotTell",
    "InvalidRequest",
    "LaunchRequest",
    "Machine",
    "NoBalance",
    "NoCapacity",
    "Offer",
    "OfferRefused",
    "Pod",
    "PodState",
    "Provider",
    "ProviderError",
    "RateLimited",
    "TellsBoot",
    "Transient",
    "Unauthorised",
    "open_provider",
    "pool_of",
]

PROVIDERS = ("local", "docker", "runpod")
"""The names that `open_provider` knows."""


def open_provider(name: str) -> Provider:
    """The provider of this name. Raises `ProviderError` for an unknown one, naming the nearest known."""
    if name == "local":
        from infra.pods.local import LocalProvider

        return LocalProvider()
    if name == "docker":
        from infra.pods.docker import DockerProvider

        return DockerProvider()
    if name == "runpod":
        from infra.pods.runpod import RunPodProvider

        return RunPodProvider()
    nearest = difflib.get_close_matches(name.lower(), PROVIDERS, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise ProviderError(f"unknown provider {name!r}; {hint}known: {', '.join(PROVIDERS)}")
