"""RunPod's catalog: which GPUs there are, at what price, and where they are free now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from infra.pods.base import InvalidRequest, Machine, Offer, Transient
from infra.pods.runpod_body import PROVIDER
from infra.pods.runpod_client import Client
from infra.pods.runpod_errors import NoSuchThing

COMMUNITY = "COMMUNITY"
"""The cloud of other people's machines, which are in no data center."""
CLOUDS = ("SECURE", COMMUNITY)
LEVELS = ("HIGH", "MEDIUM", "LOW")
"""Of stock, the best first; NONE is none."""


def read_offers(client: Client, machine: Machine) -> list[Offer]:
    """Every NVIDIA GPU of both clouds, cheapest first. Raises `InvalidRequest` for a volume that does not exist."""
    place = volume_place(client, machine.network_volume) if machine.network_volume else None
    # A network volume is reached from the secure cloud only, and clusters are made there only.
    clouds = CLOUDS if place is None and machine.nodes == 1 else CLOUDS[:1]
    query: dict[str, Any] = {"product": "POD" if machine.nodes == 1 else "CLUSTER", "count": max(machine.gpu_count, 1)}
    if machine.min_cuda is not None:
        query["minCudaVersion"] = machine.min_cuda
    offers: list[Offer] = []
    for cloud in clouds:
        attempt = "cannot read RunPod's catalog of GPUs"
        document = client.get("/catalog/gpus", attempt, include="AVAILABILITY", cloud=cloud, **query)
        try:
            for gpu in document["gpus"]:
                offers += _offers(gpu, cloud, max(machine.gpu_count, 1), place)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Transient(f"{attempt}: its answer is not as it should be; try again, or update codecjob") from error
    return sorted(offers, key=lambda offer: (offer.price_per_hour, offer.gpu, offer.cloud))


def volume_place(client: Client, volume: str) -> str:
    """The data center of a network volume."""
    attempt = f"cannot use network volume {volume}"
    try:
        place = client.get(f"/network-volumes/{quote(volume, safe='')}", attempt).get("dataCenter")
    except NoSuchThing:
        mend = "the console lists them under Storage"
        raise InvalidRequest(f"{attempt}: this account has none of that id; {mend}") from None
    if not isinstance(place, str):
        raise Transient(f"{attempt}: RunPod does not say where it is; try again later")
    return place


def _offers(gpu: Mapping[str, Any], cloud: str, count: int, place: str | None) -> Iterator[Offer]:
    pool = cloud.lower()
    # The image's torch is built for CUDA. What is not in this pool need have no price in it.
    if gpu.get("manufacturer") == "AMD" or not gpu[pool]:
        return
    price = float(gpu["price"][pool])
    if price <= 0 or int(gpu["maxCount"][pool]) < count:
        return
    stocked = [center for center in gpu.get("dataCenters") or [] if center["availability"] in LEVELS]
    stocked.sort(key=lambda center: (LEVELS.index(center["availability"]), center["id"]))
    places = tuple(center["id"] for center in stocked if place in (None, center["id"]))
    level = str(gpu.get("availability") or "NONE")
    free = level in LEVELS and (place is None or bool(places))
    yield Offer(
        provider=PROVIDER,
        gpu=str(gpu["id"]),
        price_per_hour=price,
        available=free,
        cloud=pool,
        data_centers=places if free else (),
        anywhere=place is None,
        placeless=cloud == COMMUNITY,
        memory_gb=int(gpu["memory"]),
        stock=level.lower() if free else "none",
    )
