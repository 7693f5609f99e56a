"""The agent inside the pod: waits for its claim, brings data and checkpoint, trains, judges, ships, ends the pod.

`job.pod.preparation`, `job.pod.training` and `job.pod.conclusion` have its three parts. The watchdog outside judges by
the same functions and acts only when this one does not.
"""

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from job.pod import claim, self_termination
from job.pod.conclusion import Conclusion
from job.pod.member import Member
from job.pod.preparation import EndedEarlyError, Preparation
from job.pod.self_termination import AGENT
from job.pod.training import Training
from job.record.documents import Beat, Outcome
from job.record.no_answer import RECORD_AWAY
from job.run.pod_env import PodEnv
from job.speech import tell

INSIST_PAUSE_SECONDS = 2.0


class Agent(Member):
    """One attempt, from the claim to the outcome."""

    def __init__(self, env: PodEnv) -> None:
        super().__init__(env, "agent", Path(env.workspace))
        self.guard: Callable[[float], object] = lambda seconds: None
        """Told how many seconds are left, whenever that is known better."""

    def work(self) -> None:
        """The whole attempt. On return the outcome is in the record."""
        if self.insist(self.attempt.outcome, INSIST_PAUSE_SECONDS) is not None:
            return  # the container was restarted after the end
        self.insist(self.wait_for_claim, INSIST_PAUSE_SECONDS)
        self.insist(self._ask_the_time, INSIST_PAUSE_SECONDS)
        training = self.insist(lambda: Training(self), INSIST_PAUSE_SECONDS)
        training.start_threads()
        preparation = Preparation(training)
        try:
            self.insist(preparation.count_restarts, INSIST_PAUSE_SECONDS)
            self.insist(preparation.sync, INSIST_PAUSE_SECONDS)
            outcome = training.run()
        except EndedEarlyError as early:
            outcome = early.outcome
        except RECORD_AWAY as error:
            reason = f"the record or the data could not be reached: {error}"
            outcome = Outcome.of("record away", reason, AGENT)
        Conclusion(training).finish(outcome)

    def crashed(self, error: Exception) -> None:
        """The last word of an agent that met what it cannot handle."""
        away = isinstance(error, RECORD_AWAY)
        said = f"the record could not be reached for too long: {error}" if away else f"the agent crashed: {error!r}"
        self.say(said)
        self.attempt.write_once("outcome.json", Outcome.of("record away" if away else "agent failed", said, AGENT))

    def _ask_the_time(self) -> None:
        self.ask_the_time("alive.json", Beat(state="starting", time=time.time()))
        self.guard(self.seconds_left())


def main() -> int:
    """Runs the attempt this pod was started for, then ends the pod: by the provider, never by just exiting."""
    env = PodEnv.read()
    agent = Agent(env)

    def told_to_end(number: int, frame: FrameType | None) -> None:
        agent.told_at = agent.told_at or time.monotonic()

    signal.signal(signal.SIGTERM, told_to_end)
    agent.guard = self_termination.guard_deadline
    agent.guard(agent.seconds_left())
    return attend(agent)


def attend(agent: Agent) -> int:
    """The agent's work and, whatever came of it, the end of its pod; returns the exit code."""
    code = 0
    try:
        agent.work()
    except claim.NotMineError as error:
        tell(f"agent: this pod is not wanted: {error}")
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the pod must end
        code = 1
        with contextlib.suppress(Exception):  # else whoever finds the pod gone writes the outcome
            tell(traceback.format_exc())
            agent.crashed(error)
    return code if self_termination.end(agent.env, agent.attempt) else 1


if __name__ == "__main__":
    sys.exit(main())
