"""Ending an attempt from outside: ask the agent, then terminate the pod, then prove that billing is off."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from infra.pods import Pod, Provider
from job.record import Attempt, Outcome, OutcomeName, StopRequest

# What the agent gets to save, upload and end its pod by itself before somebody outside does it.
AGENT_GRACE_SECONDS = 90.0
CONFIRM_SECONDS = 60.0
POLL_SECONDS = 0.5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Ended:
    """What ending an attempt came to."""

    outcome: Outcome | None
    billing_off: bool


def pods_of(provider: Provider, attempt: Attempt) -> list[Pod]:
    """What the provider still lists for this attempt."""
    return [pod for pod in provider.find(attempt.run_id) if pod.attempt == attempt.number]


def is_gone(provider: Provider, attempt: Attempt) -> bool:
    """Whether the provider has said twice, far enough apart, that the attempt has no pod.

    Raises ProviderError when the provider gives no answer: an outage proves nothing.
    """
    if pods_of(provider, attempt):
        return False
    time.sleep(provider.settle_seconds)
    return not pods_of(provider, attempt)


def end(provider: Provider, attempt: Attempt, outcome: OutcomeName, reason: str, by: str, say: Say) -> Ended:
    """Ends an attempt and everything it bills, whoever has to do it.

    The agent is asked first, since only it can save and upload. What it has not ended within the grace is terminated.
    """
    if attempt.outcome() is None and pods_of(provider, attempt):
        attempt.write("stop.json", StopRequest(outcome=outcome, reason=reason, by=by, time=time.time()))
        attempt.note("stop requested", by, outcome=outcome, reason=reason)
        say("asked the agent to save and stop")
    _wait_until(lambda: not pods_of(provider, attempt), AGENT_GRACE_SECONDS)
    for pod in pods_of(provider, attempt):
        say(f"pod {pod.id} is still there: terminating it")
        attempt.note("terminating", by, pod=pod.id)
        provider.terminate(pod.id)
    _wait_until(lambda: not pods_of(provider, attempt), CONFIRM_SECONDS)
    if not is_gone(provider, attempt):
        return Ended(attempt.outcome(), billing_off=False)
    return Ended(_close(provider, attempt, Outcome(outcome=outcome, reason=reason, by=by, time=time.time())), True)


def close_if_lost(provider: Provider, attempt: Attempt, by: str) -> Outcome | None:
    """Writes the outcome of an attempt whose pod is gone without one; None while the attempt goes on."""
    outcome = attempt.outcome()
    if outcome is not None:
        return outcome
    if not is_gone(provider, attempt):
        return None
    lost = Outcome(outcome="failed", reason="the pod vanished without an outcome", by=by, time=time.time())
    return _close(provider, attempt, lost)


def _close(provider: Provider, attempt: Attempt, outcome: Outcome) -> Outcome | None:
    """Writes the outcome of an attempt whose pod is gone, unless the pod's own last word is there."""
    if attempt.outcome() is None:
        claim = attempt.claim()
        if claim is not None:
            _keep_last_words(provider, attempt, claim.pod_id)
            provider.terminate(claim.pod_id)  # clears away what a pod that died by itself has left
        if attempt.write_once("outcome.json", outcome):
            attempt.note("ended", outcome.by, outcome=outcome.outcome, reason=outcome.reason)
    return attempt.outcome()


def _keep_last_words(provider: Provider, attempt: Attempt, pod_id: str) -> None:
    """What the pod itself printed, where the provider still has it: the agent could not ship it any more."""
    printed = b"".join(provider.logs(pod_id))
    if printed:
        last = max((sequence for sequence, _ in attempt.segments("log")), default=0)
        attempt.add_segment("log", last + 1, b"--- what the pod itself printed\n" + printed)


def _wait_until(done: Callable[[], bool], seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True
