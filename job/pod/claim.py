"""Whether an attempt is this pod's: a claim that names its launch makes it so, and an outcome ends that."""

import time
from collections.abc import Callable

from job.record.attempt import Attempt
from job.run.pod_env import PodEnv

CLAIM_SECONDS = 120.0
"""A pod without a claim ends itself after this long: its client has died."""
POLL_SECONDS = 0.3


class NotMineError(Exception):
    """This pod has no claim, or another pod has it: it must end without touching the record."""


def is_mine(attempt: Attempt, env: PodEnv) -> bool:
    """Whether the attempt is claimed for this pod; False where nobody has claimed it yet.

    Raises:
        NotMineError: it is another's, or over.
    """
    if attempt.outcome() is not None:
        raise NotMineError("the attempt has been closed from outside")
    claim = attempt.claim()
    if claim is None:
        return False
    if not env.is_claimed_by(claim):
        raise NotMineError(f"the claim names pod {claim.pod_id}")
    return True


def wait_for(attempt: Attempt, env: PodEnv, told_to_end: Callable[[], bool]) -> None:
    """Returns once the attempt is this pod's. Raises NotMineError where it is not so within CLAIM_SECONDS."""
    until = time.monotonic() + CLAIM_SECONDS
    while not is_mine(attempt, env):
        if told_to_end():
            raise NotMineError("told to end before it was claimed")
        if time.monotonic() > until:
            raise NotMineError(f"no claim within {CLAIM_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
