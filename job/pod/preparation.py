"""Preparation of an attempt inside the pod: its restarts are counted, its data and its checkpoint fetched."""

from job import dataset
from job.pod.self_termination import AGENT
from job.pod.training import Training
from job.record import checkpoints, compile_cache
from job.record.causes import Cause
from job.record.documents import Outcome

STARTED = "agent started"
MOST_RESTARTS = 3
VOUCH_SYNC_SECONDS = 1800.0  # one large file


class EndedEarlyError(Exception):
    """There is a reason to end before training has begun."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Preparation:
    """What comes before the trainer. Each step may be repeated while the store is unreachable."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.member = training.member

    def count_restarts(self) -> None:
        """Some providers start a container again whenever it ends: what never gets further must not go on for ever."""
        newest = max((ref.step for ref in self.member.attempt.checkpoints()), default=None)
        starts = [event for event in self.member.attempt.events() if event["what"] == STARTED]
        in_vain = sum(event["checkpoint"] == newest for event in starts)
        if in_vain >= MOST_RESTARTS:
            said = f"the container was started again {in_vain} times without a new checkpoint"
            raise _ended("restarts", said)
        self.member.attempt.note(STARTED, AGENT, pod=self.member.env.pod_id, checkpoint=newest, restarts=len(starts))

    def sync(self) -> None:
        """Fetches the data, the newest checkpoint that verifies, and compiled code of an earlier attempt.

        Raises EndedEarlyError when there is a reason to end meanwhile.
        """
        if self.training.spec.nodes != self.member.env.nodes:
            said = f"nodes: {self.training.spec.nodes}, but the provider has told this pod of {self.member.env.nodes}"
            raise _ended("wrong nodes", said)
        self.member.say("fetching the data")
        self.training.reporter.state = "syncing"
        self.training.still_alive(VOUCH_SYNC_SECONDS)
        dataset.pull(
            self.member.store, self.member.run.submission().dataset, self.member.workspace / "data", self._between_files
        )
        ref, skipped = checkpoints.restore_newest(self.member.run, self.member.folder / "checkpoints")
        for problem in skipped:
            self.member.say(f"skipped a broken checkpoint: {problem}")
            self.member.attempt.note("checkpoint skipped", AGENT, problem=problem)
        if ref is not None:
            self.training.restored = ref.prefix.rsplit("/", 1)[1]
            self.member.say(f"resuming from step {ref.step} of attempt {ref.attempt}")
            self.member.attempt.note("restored", AGENT, step=ref.step, attempt=ref.attempt)
        made_by = compile_cache.restore(
            self.member.run, self.member.attempt.number, self.member.folder, self.member.env.seal_key
        )
        if made_by is not None:
            self.member.say(f"compiled code of attempt {made_by}")
        self.training.shipper.keep_compiled(self.member.env.seal_key)

    def _between_files(self, done: int, total: int) -> None:
        self.training.reporter.synced = (done, total)
        self.training.still_alive(VOUCH_SYNC_SECONDS)
        ending = self.training.reason_to_end()
        if ending:
            raise EndedEarlyError(ending)


def _ended(cause: Cause, reason: str) -> EndedEarlyError:
    return EndedEarlyError(Outcome.of(cause, reason, AGENT))
