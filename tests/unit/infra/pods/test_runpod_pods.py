from typing import Any

import pytest

from infra.pods import CannotTell, PodState
from infra.pods.runpod_pods import read_pods

STAMP = {"CODECJOB_RUN": "a", "CODECJOB_ATTEMPT": "2", "CODECJOB_LAUNCH_ID": "f00d"}


def entry(**changes: Any) -> dict[str, Any]:
    return {
        "id": "7h9k2m4n6p",
        "name": "codecjob-a-2--f00d",
        "status": "RUNNING",
        "env": STAMP,
        "cost": 0.69,
        "dataCenterId": "EU-RO-1",
        "createdAt": "2026-06-01T12:00:00Z",
        "runtime": {"uptime": 40},
        **changes,
    }


def member(rank: int, **changes: Any) -> dict[str, Any]:
    return entry(id=f"m{rank}", name=f"node-{rank}", cluster={"id": "c1", "rank": rank}, **changes)


def test_a_pod_is_read_whole() -> None:
    (pod,) = read_pods([entry()], [])
    assert (pod.id, pod.name, pod.run_id, pod.attempt, pod.launch_id) == ("7h9k2m4n6p", "codecjob-a-2", "a", 2, "f00d")
    assert (pod.state, pod.price_per_hour, pod.data_center, pod.uptime) == (PodState.RUNNING, 0.69, "EU-RO-1", 40)
    assert pod.created == 1780315200.0


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("PROVISIONING", PodState.STARTING),
        ("STARTING", PodState.STARTING),
        ("RUNNING", PodState.RUNNING),
        ("EXITED", PodState.EXITED),
        ("ERROR", PodState.EXITED),
        ("SOMETHING_NEW", PodState.RUNNING),
        (None, PodState.RUNNING),
    ],
)
def test_every_status_but_terminated_is_listed(status: str | None, state: PodState) -> None:
    assert [pod.state for pod in read_pods([entry(status=status)], [])] == [state]


def test_a_terminated_pod_is_gone() -> None:
    assert read_pods([entry(status="TERMINATED")], []) == []


@pytest.mark.parametrize(
    ("changes", "uptime"),
    [
        ({"runtime": {"uptime": 0}}, 0.0),
        ({"runtime": None}, 0.0),
        ({"runtime": {}}, 0.0),
        ({"status": "PROVISIONING", "runtime": None}, 0.0),
        ({"status": "EXITED", "runtime": None}, None),
    ],
)
def test_only_a_container_that_runs_has_an_uptime(changes: dict[str, Any], uptime: float | None) -> None:
    assert read_pods([entry(**changes)], [])[0].uptime == uptime


@pytest.mark.parametrize("env", [{}, None, {"CODECJOB_RUN": "a"}, STAMP | {"CODECJOB_ATTEMPT": "x"}])
def test_without_its_stamp_a_pod_is_known_by_its_name(env: Any) -> None:
    (pod,) = read_pods([entry(env=env)], [])
    assert (pod.run_id, pod.attempt, pod.launch_id) == ("a", 2, "f00d")


def test_a_renamed_pod_is_known_by_its_stamp() -> None:
    (pod,) = read_pods([entry(name="my pod")], [])
    assert (pod.name, pod.run_id, pod.launch_id) == ("my pod", "a", "f00d")


def test_a_run_whose_name_has_marks_and_numbers_is_read_to_its_end() -> None:
    (pod,) = read_pods([entry(env={}, name="codecjob-a--b-3-20260601-ff-12--f00d")], [])
    assert (pod.run_id, pod.attempt, pod.launch_id) == ("a--b-3-20260601-ff", 12, "f00d")


@pytest.mark.parametrize("name", ["my-training", "codecjob-notes", "codecjob-a-1", "x codecjob-a-1--f00d", "", None])
def test_other_peoples_pods_are_left_out(name: str | None) -> None:
    assert read_pods([entry(name=name, env={"HF_TOKEN": "x"})], []) == []


@pytest.mark.parametrize("pod_id", [None, "", 7])
def test_an_entry_that_may_be_anybodys_is_no_answer(pod_id: Any) -> None:
    with pytest.raises(CannotTell, match="without an id"):
        read_pods([entry(id=pod_id)], [])


def test_a_pod_on_two_pages_is_one_pod() -> None:
    assert len(read_pods([entry(), entry()], [])) == 1


CLUSTER = {"id": "c1", "name": "codecjob-a-2--f00d", "compute": {"podCount": 2}, "createdAt": "2026-06-01T12:00:00Z"}


def test_a_cluster_is_one_pod_as_far_as_its_slowest_member() -> None:
    members = [member(0), member(1, runtime={"uptime": 5})]
    (pod,) = read_pods(members, [CLUSTER])
    assert (pod.id, pod.name, pod.launch_id, pod.state) == ("cluster:c1", "codecjob-a-2", "f00d", PodState.RUNNING)
    assert (pod.price_per_hour, pod.uptime) == (1.38, 5)
    members[1] |= {"status": "PROVISIONING", "runtime": None}
    (pod,) = read_pods(members, [CLUSTER])
    assert (pod.state, pod.uptime) == (PodState.STARTING, 0)


def test_a_cluster_is_listed_before_its_members_are() -> None:
    (pod,) = read_pods([], [CLUSTER])
    assert (pod.id, pod.run_id, pod.state, pod.uptime) == ("cluster:c1", "a", PodState.STARTING, 0)


def test_members_are_listed_though_the_cluster_is_not() -> None:
    (pod,) = read_pods([member(0), member(1)], [])
    assert (pod.id, pod.run_id, pod.price_per_hour) == ("cluster:c1", "a", 1.38)


def test_a_cluster_of_stopped_members_is_still_listed() -> None:
    (pod,) = read_pods([member(0, status="EXITED", cost=0), member(1, status="ERROR", cost=0)], [CLUSTER])
    assert pod.state is PodState.EXITED


def test_other_peoples_clusters_are_left_out() -> None:
    assert read_pods([member(0, env={})], [CLUSTER | {"name": "slurm"}]) == []


PROXY = {"host": "ssh.runpod.io", "port": 22, "username": "u", "command": "ssh u@ssh.runpod.io"}
DIRECT = {"host": "1.2.3.4", "port": 34446, "username": "root", "command": "ssh root@1.2.3.4 -p 34446"}


@pytest.mark.parametrize(
    ("ways", "command"),
    [
        ({"proxy": PROXY, "direct": DIRECT}, DIRECT["command"]),
        ({"proxy": PROXY, "direct": None}, PROXY["command"]),
        ({"proxy": None, "direct": None}, ""),
        ({"proxy": {"command": "ssh u\x1b[2J"}, "direct": {}}, ""),
        (None, ""),
    ],
)
def test_a_way_in_is_told_only_of_a_pod_that_was_made_with_one(ways: Any, command: Any) -> None:
    (asked,) = read_pods([entry(env={**STAMP, "CODECJOB_SSH": "1"}, ssh=ways)], [])
    (other,) = read_pods([entry(ssh=ways)], [])
    assert (asked.enter, other.enter) == (command, "")
