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
    ProviderKind,
    RateLimited,
    TellsAccount,
    TellsBoot,
    TellsClock,
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
    "ProviderKind",
    "RateLimited",
    "TellsAccount",
    "TellsBoot",
    "TellsClock",
    "Transient",
    "Unauthorised",
    "kind_of",
    "open_provider",
    "paid_providers",
    "pool_of",
]


def _local() -> Provider:
    from infra.pods.local import LocalProvider

    return LocalProvider()


def _docker() -> Provider:
    from infra.pods.docker import DockerProvider

    return DockerProvider()


def _runpod() -> Provider:
    from infra.pods.runpod import RunPodProvider

    return RunPodProvider()


def _has_runpod_key() -> bool:
    from infra.pods.runpod_key import key_place

    try:
        key_place()
    except ProviderError:
        return False
    return True


PROVIDERS: dict[str, ProviderKind] = {
    "local": ProviderKind(
        _local, "local", is_paid=False, at_home=True, is_this_user=True, pulls_image=False, exits_end_pod=True
    ),
    "docker": ProviderKind(_docker, "Docker", is_paid=False, at_home=True, pulls_image=False, exits_end_pod=True),
    "runpod": ProviderKind(
        _runpod,
        "RunPod",
        is_set_up=_has_runpod_key,
        pod_id_variable="RUNPOD_POD_ID",
        pod_secret=lambda name: f"{{{{ RUNPOD_SECRET_{name} }}}}",
        shows_environment="whoever has an API key",
        registry_login="RunPod's console (Settings, Container Registry Auth)",
        clusters_log_in=False,
        balance="RunPod's API does not tell it; the console does, under Billing",
    ),
}
"""The providers by the names that `open_provider` knows. What one of them can do stands here and nowhere else."""


def kind_of(name: str) -> ProviderKind:
    """Return the capabilities of a provider. Raises `ProviderError` for an unknown one, naming the nearest known."""
    if name in PROVIDERS:
        return PROVIDERS[name]
    nearest = difflib.get_close_matches(name.lower(), PROVIDERS, n=1)
    hint = f"did you mean {nearest[0]!r}? " if nearest else ""
    raise ProviderError(f"unknown provider {name!r}; {hint}known: {', '.join(PROVIDERS)}")


def paid_providers() -> list[str]:
    """Return the names of the providers whose pods cost money."""
    return [name for name, kind in PROVIDERS.items() if kind.is_paid]


def open_provider(name: str) -> Provider:
    """Open the provider of this name. Raises `ProviderError` for an unknown one."""
    return kind_of(name).open()
