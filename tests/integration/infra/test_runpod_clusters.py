"""Several nodes are one pod: launched, listed, billed and ended together."""

import pytest

from fakes.runpod.desk import Desk
from infra.pods import InvalidRequest, PodState, ProviderError, Transient
from infra.pods.runpod import RunPodProvider
from infra.pods.runpod_client import Client


def test_a_cluster_is_launched_listed_and_ended_as_one_pod(runpod_desk: Desk) -> None:
    pod = runpod_desk.provider.launch(runpod_desk.request(nodes=3, gpu_count=2))
    assert pod.id.startswith("cluster:")
    assert (pod.name, pod.run_id, pod.launch_id) == ("codecjob-a-1", "a", "f00d")
    assert pod.price_per_hour == pytest.approx(0.69 * 6)
    (found,) = runpod_desk.provider.find("a")
    assert (found.id, found.state, found.launch_id) == (pod.id, PodState.RUNNING, "f00d")
    assert found.price_per_hour == pytest.approx(0.69 * 6)
    assert not found.ends_itself
    assert len(runpod_desk.account.living()) == 3

    runpod_desk.provider.terminate(pod.id)
    runpod_desk.provider.terminate(pod.id)
    assert runpod_desk.provider.find(None) == []
    assert runpod_desk.account.living() == []


def test_its_nodes_are_told_how_to_meet(runpod_desk: Desk) -> None:
    runpod_desk.provider.launch(runpod_desk.request(nodes=2))
    nodes = runpod_desk.account.living()
    assert [pod.extra_env["NODE_RANK"] for pod in nodes] == ["0", "1"]
    assert {pod.extra_env["NUM_NODES"] for pod in nodes} == {"2"}
    assert {pod.body["env"]["NCCL_SOCKET_IFNAME"] for pod in nodes} == {"ens1"}


def test_a_cluster_after_an_unclear_answer_is_found_and_not_made_again(runpod_desk: Desk) -> None:
    runpod_desk.fails("POST", "/clusters", status=500, after=True)
    with pytest.raises(Transient):
        runpod_desk.provider.launch(runpod_desk.request(nodes=2))
    assert [pod.launch_id for pod in runpod_desk.provider.find("a")] == ["f00d"]
    assert runpod_desk.creates() == 1


def test_a_member_cannot_end_itself_and_says_so(runpod_desk: Desk) -> None:
    runpod_desk.provider.launch(runpod_desk.request(nodes=2))
    member = runpod_desk.account.living()[0]
    inside = RunPodProvider(Client(runpod_desk.server.url, member.key, runpod_desk.slept.append))
    with pytest.raises(ProviderError, match="belongs to a cluster"):
        inside.terminate(member.id)
    assert len(runpod_desk.account.living()) == 2


@pytest.mark.parametrize("status", [403, 404])
def test_a_key_without_access_to_clusters_still_lists_pods_and_members(runpod_desk: Desk, status: int) -> None:
    pod = runpod_desk.provider.launch(runpod_desk.request())
    cluster = runpod_desk.provider.launch(runpod_desk.request("b", "beef", nodes=2))
    runpod_desk.fails("GET", "/clusters", status=status, times=99)
    assert {found.id for found in runpod_desk.provider.find(None)} == {pod.id, cluster.id}


def test_an_outage_of_the_clusters_list_is_no_empty_list(runpod_desk: Desk) -> None:
    runpod_desk.fails("GET", "/clusters", status=500, times=99)
    with pytest.raises(Transient):
        runpod_desk.provider.find(None)


def test_a_cluster_of_a_private_image_is_refused_before_it_is_asked_for(runpod_desk: Desk) -> None:
    with pytest.raises(InvalidRequest, match="registry"):
        runpod_desk.provider.launch(runpod_desk.request(nodes=2, registry="reg_1"))
    assert runpod_desk.creates() == 0


def test_its_bill_is_that_of_all_nodes(runpod_desk: Desk) -> None:
    pod = runpod_desk.provider.launch(runpod_desk.request(nodes=2))
    for member in runpod_desk.account.living():
        member.created -= 3600
    assert runpod_desk.provider.billed(pod.id) == pytest.approx(2 * (0.69 + 40 * 0.0002), abs=0.02)
