"""What a pod is told of itself, and whose claim it takes for its own."""

import pytest

from job.pod.supervisor import module
from job.record.documents import Claim
from job.run.pod_env import Place, PodEnv

ALONE = {
    "CODECJOB_RUN": "speech-1",
    "CODECJOB_ATTEMPT": "2",
    "CODECJOB_LAUNCH_ID": "launch",
    "CODECJOB_STORE": "s3://b",
    "CODECJOB_DEADLINE": "100",
    "CODECJOB_PROVIDER": "runpod",
    "CODECJOB_WORKSPACE": "/workspace",
    "RUNPOD_POD_ID": "member",
}
MEMBER = {**ALONE, "NUM_NODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29400"}


def claim(pod_id: str, launch_id: str = "launch") -> Claim:
    return Claim(launch_id=launch_id, pod_id=pod_id, price_per_hour=1.0, time=1.0)


def test_a_pod_of_its_own_is_claimed_by_its_id() -> None:
    env = PodEnv.read(ALONE)
    assert (env.place, env.nodes) == (None, 1)
    assert env.is_claimed_by(claim("member"))
    assert not env.is_claimed_by(claim("another"))
    assert not env.is_claimed_by(claim("member", "other launch"))


def test_a_member_of_a_cluster_is_claimed_by_its_launch() -> None:
    env = PodEnv.read(MEMBER)
    assert env.place == Place(2, 1, "10.0.0.1", 29400)
    assert env.is_claimed_by(claim("cluster:c1"))
    assert not env.is_claimed_by(claim("cluster:c1", "other launch"))


@pytest.mark.parametrize(
    ("env", "runs"),
    [
        (ALONE, "job.pod.agent"),
        (MEMBER, "job.pod.worker_node"),
        ({**MEMBER, "NODE_RANK": "0"}, "job.pod.agent"),
        ({**MEMBER, "NUM_NODES": "1"}, "job.pod.agent"),
    ],
)
def test_the_first_node_has_the_agent(env: dict[str, str], runs: str) -> None:
    assert module(env) == runs
