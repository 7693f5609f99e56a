"""How an agent ends the pod that it runs in: by its provider, and should all else have failed by an alarm."""

import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType

from infra.pods import ProviderError, open_provider
from infra.store import StoreError
from job.pod_env import PodEnv
from job.record import Attempt

AGENT = "agent"
# Before each further try, where the provider refuses.
TERMINATE_PAUSES = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
# After the deadline, when even the supervisor should have ended the agent.
LAST_RESORT_SECONDS = 120.0


def end(env: PodEnv, attempt: Attempt) -> bool:
    """Asks for the end of the own pod until that is granted; else says in the record that it is still billed."""
    told = False
    for pause in (0.0, *TERMINATE_PAUSES):
        time.sleep(pause)
        try:
            open_provider(env.provider).terminate(env.pod_id)
        except ProviderError as error:
            refusal = str(error)
            sys.stderr.write(f"agent: this pod could not end itself: {refusal}\n")
        else:
            return True
        if env.place is not None and not told:  # of a cluster no node can: whoever watches need not wait
            told = _tell_still_billed(env, attempt, refusal)
    if not told:
        _tell_still_billed(env, attempt, refusal)
    return False


def guard_deadline(deadline: float) -> None:
    """Ends the whole pod some time after the deadline (Unix seconds), should the supervisor have died."""

    def too_late(number: int, frame: FrameType | None) -> None:
        sys.stderr.write("agent: the deadline has passed and nobody has ended this pod: killing it\n")
        os.killpg(os.getpgrp(), signal.SIGKILL)

    # The pod's own group, which its first process leads, or led: as its parent, or as the leader of the session.
    if os.getpgrp() != os.getpid() and os.getpgrp() in (os.getppid(), os.getsid(0)):
        signal.signal(signal.SIGALRM, too_late)
        signal.setitimer(signal.ITIMER_REAL, max(deadline - time.time(), 0.0) + LAST_RESORT_SECONDS)


def _tell_still_billed(env: PodEnv, attempt: Attempt, refusal: str) -> bool:
    """Whether the record has taken it."""
    with suppress(StoreError):
        attempt.note("still billed", AGENT, pod=env.pod_id, answer=refusal)
        return True
    return False
