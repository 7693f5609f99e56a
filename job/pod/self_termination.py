"""How an agent ends the pod that it runs in: by its provider, and should all else have failed by an alarm.

    python -m job.pod.self_termination

does it for a supervisor whose agent has not, because it could not even start or was killed at the deadline.
"""

import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from types import FrameType

from infra.background import Background
from infra.pods import open_provider
from infra.store import StoreError, open_store
from job.pod import claim
from job.record.attempt import Attempt
from job.record.documents import Outcome
from job.record.run import Run
from job.run.pod_env import PodEnv
from job.speech import tell

AGENT, SUPERVISOR = "agent", "supervisor"
# Before each further try, where the provider refuses.
TERMINATE_PAUSES = (2.0, 5.0, 15.0, 30.0, 60.0, 120.0)
# After the deadline, when even the supervisor should have ended the agent.
LAST_RESORT_SECONDS = 120.0
# How long the record may keep a pod from its end that has no agent.
RECORD_SECONDS = 60.0
NO_AGENT = "the agent could not start, or has ended without ending its pod"


def main() -> int:
    """Writes the outcome, where nobody has, and ends this pod."""
    env = PodEnv.read()
    Background(lambda: close(env), "record").wait(RECORD_SECONDS)  # a store that hangs must not cost money
    return 0 if end(env, None) else 1


def close(env: PodEnv) -> None:
    """Writes the outcome of an attempt whose agent cannot, as far as it is this pod's and the record answers."""
    try:
        attempt = Run(open_store(env.store), env.run_id).attempt(env.attempt)
        if claim.is_mine(attempt, env):
            attempt.write_once("outcome.json", Outcome.of("agent failed", NO_AGENT, SUPERVISOR))
    except claim.NotMineError:
        return
    except Exception:  # noqa: BLE001 - the pod is ended all the same
        tell(traceback.format_exc())


def end(env: PodEnv, attempt: Attempt | None) -> bool:
    """Asks for the end of the own pod until that is granted; else says in the record that it is still billed."""
    told = False
    for pause in (0.0, *TERMINATE_PAUSES):
        time.sleep(pause)
        try:
            open_provider(env.provider).terminate(env.pod_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next try may do
            refusal = str(error) or repr(error)
            tell(f"agent: this pod could not end itself: {refusal}")
        else:
            return True
        if env.place is not None and not told:  # of a cluster no node can: whoever watches need not wait
            told = _tell_still_billed(env, attempt, refusal)
    if not told:
        _tell_still_billed(env, attempt, refusal)
    return False


def guard_deadline(seconds: float) -> None:
    """Ends the whole pod some time after so many seconds, should the supervisor have died."""

    def too_late(number: int, frame: FrameType | None) -> None:
        tell("agent: the deadline has passed and nobody has ended this pod: killing it")
        os.killpg(os.getpgrp(), signal.SIGKILL)

    # The pod's own group, which its first process leads, or led: as its parent, or as the leader of the session.
    if os.getpgrp() != os.getpid() and os.getpgrp() in (os.getppid(), os.getsid(0)):
        signal.signal(signal.SIGALRM, too_late)
        signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.0) + LAST_RESORT_SECONDS)


def _tell_still_billed(env: PodEnv, attempt: Attempt | None, refusal: str) -> bool:
    """Whether the record has taken it."""
    if attempt is None:
        return False
    with suppress(StoreError):
        attempt.note("still billed", AGENT, pod=env.pod_id, answer=refusal)
        return True
    return False


if __name__ == "__main__":
    sys.exit(main())
