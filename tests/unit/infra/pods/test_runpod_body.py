import shlex
from dataclasses import replace

import pytest

from fakes.runpod.contract import Contract
from infra.pods import InvalidRequest, LaunchRequest, Machine, Offer
from infra.pods.runpod_body import cluster_body, pod_body, without_cmd

OFFER = Offer("runpod", "NVIDIA GeForce RTX 4090", 0.69, True, "secure", ("EU-RO-1", "US-KS-2"), 24)
MACHINE = Machine("ghcr.io/me/codecjob@sha256:00", gpu_count=2, disk_gb=30, min_cuda="13.0", registry="reg_abc")
COMMAND = ("python", "-P", "-m", "job.supervisor")
REQUEST = LaunchRequest("codecjob-a-1", "a", 1, "f00d", COMMAND, {"TOKEN": "x y"}, MACHINE, OFFER)


def with_machine(**changes: object) -> LaunchRequest:
    return replace(REQUEST, machine=replace(MACHINE, **changes))  # type: ignore[arg-type]


def test_a_pod_is_asked_for_with_all_that_the_request_says() -> None:
    assert pod_body(REQUEST, OFFER, {"MORE": "1"}) == {
        "name": "codecjob-a-1--f00d",
        "image": "ghcr.io/me/codecjob@sha256:00",
        "cmd": ["python", "-P", "-m", "job.supervisor"],
        "disk": 30,
        "cloud": "SECURE",
        "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 2, "minCudaVersion": "13.0"},
        "registry": "reg_abc",
        "dataCenterIds": ["EU-RO-1", "US-KS-2"],
        "env": {
            "TOKEN": "x y",
            "MORE": "1",
            "CODECJOB_RUN": "a",
            "CODECJOB_ATTEMPT": "1",
            "CODECJOB_LAUNCH_ID": "f00d",
            "CODECJOB_PROVIDER": "runpod",
            "CODECJOB_WORKSPACE": "/workspace",
        },
    }


def test_what_is_not_asked_for_is_left_out() -> None:
    body = pod_body(with_machine(min_cuda=None, registry=None), replace(OFFER, data_centers=()), {})
    assert {"registry", "dataCenterIds", "mounts"}.isdisjoint(body)
    assert body["gpu"] == {"id": OFFER.gpu, "count": 2}


def test_a_network_volume_is_the_workspace() -> None:
    body = pod_body(with_machine(network_volume="vol1"), OFFER, {})
    assert body["mounts"] == {"network": [{"volumeId": "vol1", "path": "/workspace"}]}


def test_a_cluster_has_as_many_pods_as_there_are_nodes() -> None:
    body = cluster_body(with_machine(nodes=4, registry=None), OFFER, {})
    assert body["compute"] == {"gpuTypeId": OFFER.gpu, "gpuCountPerPod": 2, "podCount": 4}
    assert body["type"] == "TRAINING"
    assert body["env"]["NCCL_SOCKET_IFNAME"] == "ens1"
    assert {"gpu", "cloud", "registry"}.isdisjoint(body)


def test_both_bodies_are_what_the_vendor_takes(runpod_contract: Contract) -> None:
    later = Contract(runpod_contract.document, takes_cmd=True)
    pod = pod_body(with_machine(network_volume="vol1"), OFFER, {})
    cluster = cluster_body(with_machine(nodes=2, registry=None), OFFER, {})
    for path, body in (("/v2/pods", pod), ("/v2/clusters", cluster)):
        assert later.request_errors("POST", path, {}, body) == []
        assert any("cmd" in error for error in runpod_contract.request_errors("POST", path, {}, body))
        assert runpod_contract.request_errors("POST", path, {}, without_cmd(body)) == []


def test_without_cmd_the_entrypoint_is_given_the_same_words() -> None:
    body = pod_body(replace(REQUEST, command=("python", "-c", "print('a b')\n")), OFFER, {})
    old = without_cmd(body)
    assert "cmd" not in old
    assert shlex.split(old["args"]) == body["cmd"]


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (with_machine(image=""), "RunPod runs an image"),
        (with_machine(gpu_count=0), "needs a GPU"),
        (replace(REQUEST, command=()), "the command is empty"),
        (replace(REQUEST, env={"RUNPOD_API_KEY": "rpa_1"}), "RunPod itself sets RUNPOD_API_KEY"),
        (replace(REQUEST, env={"LONG": "x" * 102_400}), "at most 102400 bytes"),
    ],
)
def test_what_could_not_work_is_not_sent(request_: LaunchRequest, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        pod_body(request_, OFFER, {})
    assert "rpa_1" not in str(caught.value)


def test_a_cluster_of_a_private_image_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no credential of a registry"):
        cluster_body(with_machine(nodes=2), OFFER, {})


def test_a_cluster_which_shows_no_environment_carries_the_launch_id_in_its_name() -> None:
    assert cluster_body(with_machine(nodes=2, registry=None), OFFER, {})["name"] == "codecjob-a-1--f00d"


def test_a_shell_is_asked_for_only_where_it_is_wanted(runpod_contract: Contract) -> None:
    several = with_machine(ssh=True, nodes=2, registry=None)
    for path, body in (
        ("/v2/pods", pod_body(with_machine(ssh=True), OFFER, {})),
        ("/v2/clusters", cluster_body(several, OFFER, {})),
    ):
        assert (body["startSsh"], body["env"]["CODECJOB_SSH"]) == (True, "1")
        assert runpod_contract.request_errors("POST", path, {}, without_cmd(body)) == []
    assert "startSsh" not in pod_body(REQUEST, OFFER, {})
