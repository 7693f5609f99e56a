"""Starting an attempt: intent, pod, claim, in this order, so that no crash between them leaves a paid orphan."""

import hashlib
import secrets
import sys
import time
from dataclasses import dataclass

from infra.pods import (
    InvalidRequest,
    LaunchRequest,
    NoBalance,
    NoCapacity,
    Pod,
    Provider,
    ProviderError,
    Unauthorised,
)
from infra.store import Store
from job.errors import UsageError
from job.pod_env import client_part
from job.record import Attempt, Claim, Intent, Outcome
from job.spec import JobSpec

CLIENT = "client"
# After these answers certainly no pod was made; after any other, one may exist.
NO_POD = (NoCapacity, NoBalance, Unauthorised, InvalidRequest)


@dataclass(frozen=True)
class Launch:
    """What will be written and sent. `--dry-run` prints it, `start` sends it: they cannot differ."""

    intent: Intent
    request: LaunchRequest


def plan(store: Store, run_id: str, attempt: int, spec: JobSpec) -> Launch:
    """The intent and the provider's request for an attempt that starts now."""
    now = time.time()
    deadline = now + spec.max_hours * 3600
    launch_id = store_mark(store) + secrets.token_hex(8)
    pod_name = f"codecjob-{run_id}-{attempt}"
    request = LaunchRequest(
        name=pod_name,
        run_id=run_id,
        attempt=attempt,
        launch_id=launch_id,
        command=(sys.executable, "-m", "job.supervisor"),
        env=client_part(run_id, attempt, store.url, deadline),
    )
    return Launch(Intent(launch_id=launch_id, pod_name=pod_name, deadline=deadline, time=now), request)


def store_mark(store: Store) -> str:
    """How the launch ids of a store's runs begin: whoever sees only a pod can tell where its record has to be."""
    return hashlib.sha256(store.url.encode()).hexdigest()[:8]


def start(provider: Provider, attempt: Attempt, launch: Launch) -> Pod:
    """Writes the intent, creates the pod, writes the claim that the agent waits for.

    Raises:
        UsageError: another client is starting this attempt.
        ProviderError: there is no pod. The attempt has its outcome then.
    """
    if not attempt.write_once("intent.json", launch.intent):
        raise UsageError(f"attempt {attempt.number} of {attempt.run_id} has been started by somebody else")
    try:
        pod = _create_or_adopt(provider, launch.request)
    except NO_POD as error:
        fail(attempt, f"no pod could be had: {error}")
        raise
    claim = Claim(
        launch_id=launch.request.launch_id, pod_id=pod.id, price_per_hour=pod.price_per_hour, time=time.time()
    )
    attempt.write_once("claim.json", claim)
    attempt.note("launched", CLIENT, pod=pod.id, provider=provider.name, price_per_hour=pod.price_per_hour)
    return pod


def fail(attempt: Attempt, reason: str) -> None:
    """Ends an attempt that has no pod."""
    attempt.write_once("outcome.json", Outcome(outcome="failed", reason=reason, by=CLIENT, time=time.time()))
    attempt.note("failed", CLIENT, reason=reason)


def _create_or_adopt(provider: Provider, request: LaunchRequest) -> Pod:
    try:
        return provider.launch(request)
    except NO_POD:
        raise
    except ProviderError:
        # No clear answer: the pod may exist. Creating again blindly is how two are paid for.
        mine = [pod for pod in provider.find(request.run_id) if pod.launch_id == request.launch_id]
        if not mine:
            raise
        return mine[0]
