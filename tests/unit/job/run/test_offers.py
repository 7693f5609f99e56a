from dataclasses import replace
from typing import Any

import pytest

from infra.pods import NoCapacity, Offer, pool_of
from infra.pods.local import LocalProvider
from job.errors import UsageError
from job.run import offers as choosing
from job.run.machine import command, machine
from job.run.offers import Candidate, _without, candidates, look_for, means, still_good
from job.spec.load import check_spec
from job.spec.model import JobSpec

OFFERS = [
    Offer("p", "NVIDIA L4", 0.4, True, "secure", ("EU-1", "US-1"), 24),
    Offer("p", "NVIDIA L40S", 0.8, True, "secure", ("US-1",), 48),
    Offer("p", "NVIDIA L40S", 0.7, True, "community", (), 48),
    Offer("p", "NVIDIA GeForce RTX 4090", 0.6, False, "secure", (), 24),
    Offer("p", "NVIDIA A100 80GB PCIe", 1.6, True, "secure", ("EU-1",), 80),
    Offer("p", "NVIDIA A100-SXM4-80GB", 1.9, True, "secure", ("US-1",), 80),
]


def spec(**changes: Any) -> JobSpec:
    return check_spec({"name": "a", "data": "/clips", "provider": "p", "image": "me/codec:1", **changes}, "test")


def choose(offers: list[Offer] = OFFERS, **changes: Any) -> list[Candidate]:
    wanted = spec(**changes)
    return candidates(offers, wanted, machine(wanted))


def names(found: list[Candidate]) -> list[tuple[str, float]]:
    return [(candidate.offer.gpu.removeprefix("NVIDIA "), candidate.offer.price_per_hour) for candidate in found]


def test_without_a_wish_the_cheapest_and_what_is_about_as_cheap() -> None:
    assert names(choose()) == [("L4", 0.4), ("L40S", 0.7), ("L40S", 0.8)]


def test_a_price_limit_widens_or_narrows_that() -> None:
    assert len(choose(max_price_per_hour=5)) == 5
    assert names(choose(max_price_per_hour=0.4)) == [("L4", 0.4)]


def test_the_specs_order_of_gpus_comes_before_the_price() -> None:
    assert names(choose(gpu=["a100", "l4"])) == [("A100 80GB PCIe", 1.6), ("A100-SXM4-80GB", 1.9), ("L4", 0.4)]
    assert names(choose(gpu="L40S")) == [("L40S", 0.7), ("L40S", 0.8)]


@pytest.mark.parametrize(
    ("wanted", "gpu", "same"),
    [
        ("rtx 4090", "NVIDIA GeForce RTX 4090", True),
        ("L40", "NVIDIA L40S", False),
        ("A100", "NVIDIA A100-SXM4-80GB", True),
        ("A100-SXM4", "NVIDIA A100 80GB PCIe", False),
    ],
)
def test_a_name_means_the_gpus_that_hold_its_words(wanted: str, gpu: str, same: bool) -> None:
    assert means(wanted, gpu) == same


def test_pools_and_places() -> None:
    assert names(choose(pod={"cloud": "community"})) == [("L40S", 0.7)]
    found = choose(pod={"data_centers": ["US-1"]}, max_price_per_hour=5)
    assert [(candidate.offer.gpu, candidate.offer.data_centers) for candidate in found] == [
        ("NVIDIA L4", ("US-1",)),
        ("NVIDIA L40S", ("US-1",)),  # the provider does not say where: it is asked all the same
        ("NVIDIA L40S", ("US-1",)),
        ("NVIDIA A100-SXM4-80GB", ("US-1",)),
    ]


def test_what_is_in_no_data_center_is_in_none_that_is_asked_for() -> None:
    community = replace(OFFERS[0], cloud="community", price_per_hour=0.1, data_centers=(), placeless=True)
    found = choose([community, *OFFERS], pod={"data_centers": ["US-1"]}, max_price_per_hour=5)
    assert not any(candidate.offer.placeless for candidate in found)
    assert choose([community, *OFFERS])[0].offer.placeless
    with pytest.raises(UsageError, match=r"pod\.data_centers: the community cloud has none; leave them out"):
        choose([community], pod={"cloud": "community", "data_centers": ["US-1"]})


def test_only_a_wish_an_avoidance_or_a_volume_binds_to_data_centers() -> None:
    free = replace(OFFERS[0], data_centers=("US-1", "EU-1"), anywhere=True)
    (unbound,) = choose([free])
    assert unbound.offer.anywhere
    (wished,) = choose([free], pod={"data_centers": ["US-1"]})
    assert (wished.offer.anywhere, wished.offer.data_centers) == (False, ("US-1",))
    avoided = _without(free, {"EU-1"})
    assert (avoided.anywhere, avoided.data_centers) == (False, ("US-1",))
    assert _without(free, {"MARS-1"}) == free
    pool = replace(free, cloud="community", data_centers=())
    assert not _without(pool, {pool_of("community", free.gpu)}).available


SLICES = [
    Offer("p", "NVIDIA RTX PRO 6000 Blackwell Server Edition", 2.0, True, "secure", (), 96),
    Offer("p", "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb", 0.6, True, "secure", (), 24),
    Offer("p", "NVIDIA B300 SXM6 AC MIG 1g.34gb", 0.5, True, "secure", (), 34),
]


def test_a_slice_of_a_gpu_is_taken_by_its_own_name_only() -> None:
    whole = SLICES[0].gpu.removeprefix("NVIDIA ")
    assert names(choose(SLICES)) == [(whole, 2.0)]
    assert names(choose(SLICES, gpu=["RTX PRO 6000"])) == [(whole, 2.0)]
    assert names(choose(SLICES, gpu=["MIG 1g.24gb"])) == [(f"{whole} MIG 1g.24gb", 0.6)]
    with pytest.raises(UsageError, match=r"gpu: provider p has no"):
        choose(SLICES, gpu=["B300"])
    with pytest.raises(UsageError, match=r"gpu: provider p has no"):  # between slices nothing can be exchanged
        choose(SLICES, gpu=["MIG 1g.24gb"], gpu_count=2)


@pytest.mark.parametrize("name", ["Tesla V100-PCIE-16GB", "Tesla P100-PCIE-16GB", "NVIDIA TITAN Xp", "Tesla K80"])
def test_a_gpu_that_torch_has_no_code_for_is_not_offered(name: str) -> None:
    old = Offer("p", name, 0.1, True, "secure", (), 16)
    assert name not in [candidate.offer.gpu for candidate in choose([old, *OFFERS])]
    assert [candidate.offer.gpu for candidate in choose([old, *OFFERS], gpu=[name])] == [name], (
        "who names it has a reason"
    )


def test_a_slice_does_not_hide_among_the_wanted() -> None:
    found = choose(SLICES, gpu=["RTX PRO 6000", "MIG 1g.34gb"])
    assert [price for _, price in names(found)] == [2.0, 0.5]


def test_the_price_is_that_of_all_gpus_of_all_nodes() -> None:
    (first, *_) = choose(gpu="L4", gpu_count=4, nodes=2)
    assert first.price_per_hour == pytest.approx(3.2)
    assert str(first) == "2 nodes x 4 x NVIDIA L4 (secure) at 3.20 USD/h"
    *_, dear = choose(gpu_count=0, max_price_per_hour=5)
    assert dear.price_per_hour == dear.offer.price_per_hour, "a node without a GPU is paid like one with one"
    with pytest.raises(UsageError, match=r"max_price_per_hour: 3 USD, .* 2 nodes x 4 x NVIDIA L4 \(secure\) at 3.20"):
        choose(gpu_count=4, nodes=2, max_price_per_hour=3)


@pytest.mark.parametrize(
    ("wanted", "nearest"), [("RTX 409", "NVIDIA GeForce RTX 4090"), ("NVIDIA L5", "NVIDIA L4"), ("A10O", "NVIDIA A100")]
)
def test_an_unknown_gpu_names_the_nearest(wanted: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=f"has no '{wanted}': did you mean '{nearest}"):
        choose(gpu=["L4", wanted])


def test_an_unknown_gpu_that_is_near_none_lists_what_there_is() -> None:
    with pytest.raises(UsageError, match=r"has no 'zzzz'; it has .*NVIDIA L4"):
        choose(gpu="zzzz")


def test_a_known_gpu_that_is_taken_is_no_capacity() -> None:
    with pytest.raises(NoCapacity, match="nothing free now of rtx 4090"):
        choose(gpu="rtx 4090")
    with pytest.raises(NoCapacity, match="in EU-9"):
        choose([OFFERS[0]], pod={"data_centers": ["EU-9"]})
    with pytest.raises(NoCapacity):
        choose([])


def test_a_machine_without_a_gpu() -> None:
    none = [Offer("p", "", 0.0, True)]
    (only,) = choose(none)
    assert only.machine.gpu_count == 0
    for changes in ({"gpu_count": 1}, {"gpu": "L4"}):
        with pytest.raises(UsageError, match="has no GPU; leave gpu out and set gpu_count: 0"):
            choose(none, **changes)


def test_this_machine_is_taken_as_it_is() -> None:
    (engine,) = choose([Offer("docker", "GPU of the Docker engine", 0.0, True)], provider="docker", gpu="A40")
    assert engine.machine.gpu_count == 1
    wanted = check_spec({"name": "a", "data": "/clips", "gpu": "A40", "image": "me/codec:1"}, "test")
    (only,) = candidates(LocalProvider().offers(), wanted, machine(wanted))
    assert (only.price_per_hour, only.machine.image) == (0.0, "")
    assert command(wanted)[0] != "python"
    assert command(spec()) == ("python", "-P", "-m", "job.supervisor")


def test_what_can_not_be_had_here_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UsageError, match="nodes: 2, but provider local"):
        machine(check_spec({"name": "a", "data": "/clips", "nodes": 2}, "test"))
    with pytest.raises(UsageError, match=r"gpu_count: 64, but this machine has .* GPU; ask for less"):
        machine(check_spec({"name": "a", "data": "/clips", "gpu_count": 64}, "test"))
    with pytest.raises(UsageError, match="none is known"):
        machine(spec(image=None))


class Shop:
    """Changes its offers while somebody thinks."""

    def __init__(self, *prices: float) -> None:
        self.prices = prices
        self.asked = 0

    def offers(self, machine: Any = None) -> list[Offer]:
        self.asked += 1
        return [Offer("p", "L4", price, True) for price in self.prices]


def test_a_fresh_choice_stands_and_an_old_one_is_made_again_no_dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    shop: Any = Shop(0.4, 0.5)
    wanted = spec(gpu="L4")
    found = look_for(shop, wanted)
    assert still_good(found, shop, wanted) is found
    monkeypatch.setattr(choosing, "FRESH_SECONDS", -1.0)
    shop.prices = (0.3, 0.5, 0.6)
    again = still_good(found, shop, wanted)
    assert [candidate.price_per_hour for candidate in again.candidates] == [0.3, 0.5]
    shop.prices = (0.6,)
    with pytest.raises(UsageError, match=r"nothing left at 0\.50 USD/h or less"):
        still_good(found, shop, wanted)
    assert shop.asked == 3
