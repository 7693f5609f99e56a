"""Which of a provider's offers a run takes, and in which order they are tried: pure functions."""

import difflib
import math
import re
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from infra.pods import Machine, NoCapacity, Offer, Provider, kind_of, pool_of
from job.errors import UsageError
from job.run.machine import in_words, machine
from job.spec.model import JobSpec

NAMES_SHOWN = 8
# Without `gpu` and `max_price_per_hour`, nothing dearer than this many times the cheapest is taken.
UNASKED_FACTOR = 2.0
# Stock and prices change: what was asked longer ago than this is asked again before a launch.
FRESH_SECONDS = 120.0
OLD = re.compile(r"\b(V100|P40|P100|P4|P4000|P5000|P6000|M40|M60|K80|TITAN)\b", re.IGNORECASE)
"""GPUs before Turing, for which torch with CUDA 13 has no code: they end in "no kernel image is available"."""
SLICE = re.compile(r"\bmig\b|\b\d+g\.\d+gb\b", re.IGNORECASE)


@dataclass(frozen=True)
class Candidate:
    """One offer that fits the spec."""

    offer: Offer
    machine: Machine

    @property
    def price_per_hour(self) -> float:
        """USD for all GPUs of all nodes."""
        return self.offer.total_price(self.machine)

    def __str__(self) -> str:
        pool = f" ({self.offer.cloud})" if self.offer.cloud else ""
        return f"{in_words(self.machine, self.offer.gpu)}{pool} at {self.price_per_hour:.2f} USD/h"


@dataclass(frozen=True)
class Choice:
    """What a provider's catalog had for a run when it was asked: shown to the user, and then launched."""

    candidates: tuple[Candidate, ...]
    """In the order in which they are tried; at least one."""
    asked: float
    """By the monotonic clock."""

    @property
    def dearest(self) -> float:
        """USD per hour: which of the candidates has room is not known before the launch."""
        return max(candidate.price_per_hour for candidate in self.candidates)


def look_for(provider: Provider, spec: JobSpec, avoid: Collection[str] = ()) -> Choice:
    """`candidates` of what a provider has now, without the data centers to ``avoid``.

    Raises UsageError for a machine that the spec leaves unclear; NoCapacity, UsageError and ProviderError besides.
    """
    wanted = machine(spec)
    offers = [_without(offer, avoid) for offer in provider.offers(wanted)]
    return Choice(tuple(candidates(offers, spec, wanted)), time.monotonic())


def still_good(choice: Choice, provider: Provider, spec: JobSpec, avoid: Collection[str] = ()) -> Choice:
    """The same choice while it is fresh, else what the provider has now and is no dearer than anything in it.

    Raises as `look_for` does, and UsageError where all that is left costs more than what the user has seen.
    """
    if time.monotonic() - choice.asked <= FRESH_SECONDS:
        return choice
    now = look_for(provider, spec, avoid)
    agreed = tuple(candidate for candidate in now.candidates if candidate.price_per_hour <= choice.dearest)
    if not agreed:
        raise UsageError(
            f"provider {spec.provider} has nothing left at {choice.dearest:.2f} USD/h or less, the most that the plan "
            f"has shown; the cheapest now is {now.candidates[0]}: start again to see the new plan"
        )
    return Choice(agreed, now.asked)


def candidates(offers: Sequence[Offer], spec: JobSpec, wanted: Machine) -> list[Candidate]:
    """The offers to try, in order: the spec's order of GPUs, the cheapest first within a name. At least one.

    Where the spec names neither a GPU nor a price, only what costs at most twice the cheapest is taken.

    Raises:
        UsageError: a GPU that the provider doesn't know, none where one was asked for, all above max_price_per_hour.
        NoCapacity: what the spec asks for is known, and none of it is free now.
    """
    known = _fitting(offers, spec, wanted)
    if not known:
        raise NoCapacity(f"provider {spec.provider} offers nothing that fits {_wanted(spec)}; ask for less")
    if spec.pod.data_centers and all(candidate.offer.placeless for candidate in known):
        raise UsageError("pod.data_centers: the community cloud has none; leave them out, or set pod.cloud: secure")
    ranks = _ranks(known, spec)
    known = [known[index] for index in sorted(ranks, key=lambda index: (ranks[index], known[index].price_per_hour))]
    free = [candidate for candidate in known if candidate.offer.available]
    if not free:
        raise NoCapacity(
            f"provider {spec.provider} has nothing free now of {_wanted(spec)}; try again later, or allow more in the "
            "spec's gpu, pod.cloud and pod.data_centers"
        )
    cheapest = min(free, key=lambda candidate: candidate.price_per_hour)
    limit = spec.max_price_per_hour
    if limit is None:
        # Nobody who names no GPU and no price has agreed to whatever is left.
        limit = math.inf if spec.gpu else UNASKED_FACTOR * cheapest.price_per_hour
    if cheapest.price_per_hour > limit:
        raise UsageError(
            f"max_price_per_hour: {limit:g} USD, but the cheapest that is free now is {cheapest}; raise it"
        )
    return [candidate for candidate in free if candidate.price_per_hour <= limit]


def means(wanted: str, gpu: str) -> bool:
    """Whether a name in a spec means a GPU: its words are among the GPU's, one behind the other.

    "rtx 4090" means "NVIDIA GeForce RTX 4090", "L40" does not mean "NVIDIA L40S".
    """
    return f" {_words(wanted)} " in f" {_words(gpu)} "


def _fitting(offers: Sequence[Offer], spec: JobSpec, wanted: Machine) -> list[Candidate]:
    """What has a GPU where one is asked for, in the right pool; not available where it is in the wrong places."""
    fitting = []
    slices_wanted = any(_is_slice(name) for name in spec.gpu)
    for offer in offers:
        if spec.pod.cloud is not None and offer.cloud and offer.cloud != spec.pod.cloud:
            continue
        if OLD.search(offer.gpu.replace("-", " ")) and not any(OLD.search(name.replace("-", " ")) for name in spec.gpu):
            continue
        # A slice of a GPU is never meant by the whole one's name, and slices cannot train together.
        if _is_slice(offer.gpu) and (not slices_wanted or wanted.gpu_count > 1 or wanted.nodes > 1):
            continue
        if offer.gpu:
            fitting.append(Candidate(_placed(offer, spec.pod.data_centers), wanted))
        elif not spec.gpu and not spec.gpu_count:
            fitting.append(Candidate(_placed(offer, spec.pod.data_centers), replace(wanted, gpu_count=0)))
    if not fitting and offers and not any(offer.gpu for offer in offers):
        raise UsageError(
            f"the spec asks for {_wanted(spec)}, but provider {spec.provider} has no GPU; leave gpu out and set "
            "gpu_count: 0 to train without"
        )
    return fitting


def _placed(offer: Offer, wanted: Sequence[str]) -> Offer:
    """The offer in the wanted places only; where the provider does not say, it may have it in all of them."""
    if not wanted:
        return offer
    if offer.placeless:
        return replace(offer, available=False)
    places = tuple(place for place in wanted if not offer.data_centers or place in offer.data_centers)
    return replace(offer, data_centers=places, anywhere=False, available=offer.available and bool(places))


def _without(offer: Offer, avoid: Collection[str]) -> Offer:
    """The offer without places to avoid. Without data centers a whole pool is avoided: the same host may come again."""
    if pool_of(offer.cloud, offer.gpu) in avoid:
        return replace(offer, available=False)
    places = tuple(place for place in offer.data_centers if place not in avoid)
    if places == offer.data_centers:
        return offer
    return replace(offer, data_centers=places, anywhere=False, available=offer.available and bool(places))


def _is_slice(gpu: str) -> bool:
    """Whether a name is that of a part of a GPU (MIG), which vendors list beside the whole one."""
    return SLICE.search(gpu) is not None


def _ranks(known: Sequence[Candidate], spec: JobSpec) -> dict[int, int]:
    """Index of each candidate that the spec allows -> place of its GPU in the spec's order."""
    if not spec.gpu or kind_of(spec.provider).at_home:  # this machine has what it has
        return dict.fromkeys(range(len(known)), 0)
    names = sorted({candidate.offer.gpu for candidate in known})
    ranks: dict[int, int] = {}
    for place, wanted in enumerate(spec.gpu):
        exact = [name for name in names if _words(name) == _words(wanted)]
        meant = exact or [name for name in names if means(wanted, name) and (_is_slice(wanted) or not _is_slice(name))]
        if not meant:
            raise UsageError(
                f"gpu: provider {spec.provider} has no{_nearest(wanted, names)} `codecjob gpus` lists what it has"
            )
        for index, candidate in enumerate(known):
            if candidate.offer.gpu in meant:
                ranks.setdefault(index, place)
    return ranks


def _nearest(wanted: str, names: Sequence[str]) -> str:
    """The rest of "provider p has no": the name, and the GPU with the nearest words, or what is known."""
    spans: dict[str, str] = {}
    for name in names:
        words = _words(name).split()
        ends = range(1, len(words) + 1)
        spans |= {" ".join(words[start:end]): name for end in ends for start in range(end)}
    near = difflib.get_close_matches(_words(wanted), spans, n=1, cutoff=0.6)
    if near:
        return f" {wanted!r}: did you mean {spans[near[0]]!r}?"
    shown = ", ".join(names[:NAMES_SHOWN]) + (" ..." if len(names) > NAMES_SHOWN else "")
    return f" {wanted!r}; it has {shown};"


def _words(name: str) -> str:
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))


def _wanted(spec: JobSpec) -> str:
    parts = [", ".join(spec.gpu) or "any GPU"]
    if spec.gpu_count is not None:
        parts.append(f"gpu_count {spec.gpu_count}")
    if spec.pod.cloud:
        parts.append(f"cloud {spec.pod.cloud}")
    if spec.pod.data_centers:
        parts.append(f"in {', '.join(spec.pod.data_centers)}")
    return ", ".join(parts)
