"""What RunPod's provider says can be had, before the fake's catalog."""

import pytest

from fakes.runpod.catalog import slices
from fakes.runpod.desk import Desk
from infra.pods import ANY_MACHINE, InvalidRequest, Machine, Transient


def listed(desk: Desk, machine: Machine = ANY_MACHINE) -> list[tuple[str, str, float, str, tuple[str, ...]]]:
    offers = desk.provider.offers(machine)
    return [(offer.gpu, offer.cloud, offer.price_per_hour, offer.stock, offer.data_centers) for offer in offers]


def test_every_gpu_of_both_clouds_is_offered_cheapest_first(runpod_desk: Desk) -> None:
    assert listed(runpod_desk) == [
        ("NVIDIA RTX A4000", "community", 0.17, "none", ()),
        ("NVIDIA RTX A4000", "secure", 0.25, "low", ("EU-RO-1",)),
        ("NVIDIA GeForce RTX 4090", "community", 0.34, "medium", ()),
        ("NVIDIA GeForce RTX 4090", "secure", 0.69, "high", ("US-KS-2", "EU-RO-1")),
        ("NVIDIA H100 80GB HBM3", "secure", 2.99, "low", ("US-KS-2",)),
    ]
    assert [offer.available for offer in runpod_desk.provider.offers()] == [False, True, True, True, True]
    assert {offer.memory_gb for offer in runpod_desk.provider.offers()} == {16, 24, 80}


def test_slices_are_listed_under_their_own_names(runpod_desk: Desk) -> None:
    runpod_desk.account.gpus = slices()
    assert [gpu for gpu, *_ in listed(runpod_desk)] == [
        "NVIDIA B300 SXM6 AC MIG 1g.34gb",
        "NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb",
        "NVIDIA RTX PRO 6000 Blackwell Server Edition",
    ]


def test_the_community_cloud_is_in_no_data_center(runpod_desk: Desk) -> None:
    offers = {offer.cloud: offer for offer in runpod_desk.provider.offers() if offer.gpu.endswith("4090")}
    assert (offers["community"].placeless, offers["secure"].placeless) == (True, False)
    pod = runpod_desk.provider.launch(runpod_desk.request(offer=offers["community"]))
    (found,) = runpod_desk.provider.find("a")
    assert (found.data_center, found.pool) == ("", "community/NVIDIA GeForce RTX 4090")
    assert "dataCenterIds" not in runpod_desk.account.pods[pod.id].body


def test_no_data_center_is_named_that_nobody_has_asked_for(runpod_desk: Desk) -> None:
    """RunPod holds to those that are named, so stock that has moved would be missed."""
    offer = next(offer for offer in runpod_desk.provider.offers() if offer.cloud == "secure" and offer.available)
    assert offer.anywhere
    pod = runpod_desk.provider.launch(runpod_desk.request(offer=offer))
    assert "dataCenterIds" not in runpod_desk.account.pods[pod.id].body
    runpod_desk.account.volumes["vol1"] = "US-KS-2"
    assert not any(offer.anywhere for offer in runpod_desk.provider.offers(Machine(network_volume="vol1")))


def test_more_gpus_than_a_machine_has_are_not_offered(runpod_desk: Desk) -> None:
    assert listed(runpod_desk, Machine(gpu_count=9)) == []
    runpod_desk.account.gpus[2].most = 2
    assert "NVIDIA H100 80GB HBM3" not in {gpu for gpu, *_ in listed(runpod_desk, Machine(gpu_count=4))}


def test_a_cluster_is_offered_in_the_secure_cloud_only(runpod_desk: Desk) -> None:
    assert {cloud for _, cloud, *_ in listed(runpod_desk, Machine(nodes=2))} == {"secure"}


def test_a_network_volume_binds_to_its_data_center(runpod_desk: Desk) -> None:
    runpod_desk.account.volumes["vol1"] = "US-KS-2"
    assert listed(runpod_desk, Machine(network_volume="vol1")) == [
        ("NVIDIA RTX A4000", "secure", 0.25, "none", ()),
        ("NVIDIA GeForce RTX 4090", "secure", 0.69, "high", ("US-KS-2",)),
        ("NVIDIA H100 80GB HBM3", "secure", 2.99, "low", ("US-KS-2",)),
    ]
    pod = runpod_desk.provider.launch(runpod_desk.request(offer=None, network_volume="vol1"))
    assert pod.data_center == "US-KS-2"


def test_a_volume_that_does_not_exist_is_named(runpod_desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="cannot use network volume vol2: this account has none"):
        runpod_desk.provider.offers(Machine(network_volume="vol2"))


def test_the_cuda_version_is_asked_for(runpod_desk: Desk) -> None:
    runpod_desk.provider.offers(Machine(min_cuda="13.0"))
    assert [query["minCudaVersion"] for query in runpod_desk.server.api.queries] == ["13.0", "13.0"]


@pytest.mark.parametrize("document", [{}, {"gpus": None}, {"gpus": [{"id": "x"}]}, {"gpus": [7]}])
def test_a_catalog_that_cannot_be_read_is_no_empty_one(
    runpod_desk: Desk, document: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runpod_desk.provider.client, "get", lambda *args, **query: document)
    with pytest.raises(Transient, match="catalog"):
        runpod_desk.provider.offers()
