"""No crash of the client leaves a pod that nobody owns, and two pods never train one run."""

import sys
import time
from typing import Any

import pytest

from infra.pods import LaunchRequest, Pod, ProviderError, Transient
from job.errors import UsageError
from job.record.documents import Claim, Submission
from job.record.run import Run
from job.run import launch
from job.run.offers import look_for
from job.run.pod_env import client_part

# The agent as it is, but for the time it waits for its claim.
IMPATIENT = "import sys, job.pod.agent; job.pod.claim.CLAIM_SECONDS = 2; sys.exit(job.pod.agent.main())"


@pytest.fixture
def run(desk: Any) -> Run:
    """A run that exists in the record and has no pod yet."""
    from job.dataset import look_at, push
    from job.spec.load import load_spec

    spec = load_spec(desk.spec())
    run = Run(desk.store, "tiny-20260101-000000-0000")
    dataset = push(desk.store, look_at(spec.data, 16000)).dataset_id
    run.create(Submission(submitted=time.time(), dataset=dataset, spec=spec.model_dump(mode="json")))
    return run


def start_pod(desk: Any, run: Run) -> Pod:
    env = {**desk.env, **client_part(run.run_id, 1, desk.store.url, time.time() + 600)}
    return desk.provider.launch(LaunchRequest("pod", run.run_id, 1, "launch-1", (sys.executable, "-c", IMPATIENT), env))


def claim(pod_id: str, launch_id: str = "launch-1") -> Claim:
    return Claim(launch_id=launch_id, pod_id=pod_id, price_per_hour=0.0, time=time.time())


def test_a_pod_without_a_claim_ends_itself_and_leaves_the_record_alone(desk: Any, run: Run) -> None:
    start_pod(desk, run)
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    assert run.attempt(1).outcome() is None
    assert run.attempt(1).beat() is None


def test_a_pod_whose_claim_names_another_ends_itself(desk: Any, run: Run) -> None:
    run.attempt(1).write_once("claim.json", claim("local-000000000000"))
    start_pod(desk, run)
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    assert run.attempt(1).beat() is None


def test_a_pod_restarted_after_the_end_does_not_train_again(desk: Any, run: Run) -> None:
    attempt = run.attempt(1)
    launch.fail(attempt, "ended before")
    pod = start_pod(desk, run)
    attempt.write_once("claim.json", claim(pod.id))
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    assert attempt.beat() is None


class Ambiguous:
    """The real provider behind a connection that breaks after the create call has worked."""

    def __init__(self, provider: Any) -> None:
        self.provider = provider
        self.name, self.settle_seconds = provider.name, provider.settle_seconds

    def launch(self, request: LaunchRequest) -> Pod:
        self.provider.launch(request)
        raise Transient("timeout")

    def find(self, run_id: str | None) -> list[Pod]:
        return self.provider.find(run_id)


def plan(desk: Any, run: Run) -> launch.Launch:
    return launch.plan(desk.store, run.run_id, 1, run.spec(), look_for(desk.provider, run.spec()).candidates)


def test_an_ambiguous_launch_is_adopted_not_repeated(desk: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    attempt = run.attempt(1)
    planned = plan(desk, run)
    pod = launch.start(Ambiguous(desk.provider), attempt, planned)
    assert [listed.id for listed in desk.provider.find(run.run_id)] == [pod.id]
    assert attempt.claim().pod_id == pod.id
    assert desk.wait_for_end(attempt) == "succeeded"


def test_a_refused_launch_ends_the_attempt(desk: Any, run: Run) -> None:
    planned = plan(desk, run)
    impossible = launch.Launch(planned.intent, (LaunchRequest("pod", run.run_id, 1, "launch-1", (), {}),))
    with pytest.raises(ProviderError):
        launch.start(desk.provider, run.attempt(1), impossible)
    assert run.attempt(1).outcome().outcome == "failed"


def test_two_clients_cannot_start_one_attempt(desk: Any, run: Run) -> None:
    run.attempt(1).write_once("intent.json", plan(desk, run).intent)
    with pytest.raises(UsageError, match="started by somebody else"):
        launch.start(desk.provider, run.attempt(1), plan(desk, run))
    assert desk.provider.find(run.run_id) == []
