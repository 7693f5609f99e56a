"""Conclusion of an attempt inside the pod: the last uploads, then the outcome."""

import time
from typing import Any

from infra.store import Unavailable
from job.pod import claim
from job.pod.member import INSIST_SECONDS
from job.pod.retry import retry_until
from job.pod.self_termination import AGENT
from job.pod.training import VOUCH_SECONDS, Training
from job.pod.wandb_summary import NOT_TOLD, LastWord, word
from job.record import checkpoints
from job.record.documents import Outcome
from job.record.no_answer import RECORD_AWAY
from job.run import cost
from job.run.seen import facts_of
from job.verdict.pace import pace

INSIST_LATE_SECONDS = 45.0  # past the deadline; the supervisor gives 60
INSIST_PAUSE_SECONDS = 2.0
# What the last checkpoints get to go up: less where somebody outside waits (`job.run.termination`), and after SIGTERM,
# which the supervisor follows with SIGKILL after 60 s.
UPLOAD_SECONDS = 540.0
UPLOAD_ASKED_SECONDS = 180.0
UPLOAD_TOLD_SECONDS = 50.0
UPLOAD_LATE_SECONDS = 35.0  # past the deadline


class Conclusion:
    """What comes after the trainer."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self.member = training.member

    def finish(self, outcome: Outcome) -> None:
        """Offers everything to the store until it takes it, the outcome last. The beats go on with the uploads."""
        outcome = outcome.model_copy(update={"time": outcome.time - self.member.ahead})
        self.member.say(f"{outcome.outcome}: {outcome.reason}")
        left = self.member.seconds_left()
        until = time.monotonic() + min(INSIST_SECONDS, left + INSIST_LATE_SECONDS)
        last_word = self._last_word(outcome)
        giving_up_at = self._upload_the_last(left)
        if last_word:
            last_word.end(giving_up_at, self.training.shipper, self.member.say)
        if isinstance(self.training.reporter.failure, claim.NotMineError):
            raise self.training.reporter.failure
        if not self.training.reporter.close(until):
            raise Unavailable("the record cannot be reached: a call to it has not come back")
        retry_until(
            lambda: self._write(outcome),
            errors=RECORD_AWAY,
            over=lambda: time.monotonic() > until,
            pause=INSIST_PAUSE_SECONDS,
            say=self.member.note_error,
        )

    def _write(self, outcome: Outcome) -> None:
        self.training.reporter.last_words(self.training.verdict)
        self.member.attempt.note("ended", AGENT, **self._grounds(outcome))
        self.member.attempt.write_once("outcome.json", outcome)

    def _last_word(self, outcome: Outcome) -> LastWord | None:
        """Begins to tell Weights & Biases, where the trainer has, or may have, opened a run there."""
        if not (self.training.spec.wandb.on and self.training.has_begun) or isinstance(
            self.training.reporter.failure, claim.NotMineError
        ):
            return None
        told = word(self.training.spec, self.member.attempt.number, self.training.verdict, outcome)
        try:
            return LastWord(self.training.spec, self.member.run.run_id, self.member.folder, self.member.log, told)
        except OSError as error:  # a full disk
            self.member.say(f"{NOT_TOLD}: {error.strerror}")
            return None

    def _upload_the_last(self, left: float) -> float:
        """Waits for the checkpoints, but never so long that the outcome would be lost with them; returns how long."""
        self.training.offer_checkpoints(checkpoints.complete_checkpoints(self.member.folder / "checkpoints"))
        now = time.monotonic()
        most = UPLOAD_ASKED_SECONDS if self.training.reporter.stop_request else UPLOAD_SECONDS
        until = now + min(most, left + UPLOAD_LATE_SECONDS)
        if self.member.told_at is not None:
            until = min(until, self.member.told_at + UPLOAD_TOLD_SECONDS)
        self.training.reporter.vouch(until - now + VOUCH_SECONDS)
        for name in self.training.courier.finish(until):
            self.member.say(f"checkpoint {name} was not uploaded in time")
        return until

    def _grounds(self, outcome: Outcome) -> dict[str, Any]:
        """What the attempt ended for, with what that was decided by, and the money."""
        attempts = [attempt for attempt in self.member.run.attempts() if attempt.number <= self.member.attempt.number]
        fast = pace(self.training.judge.rows)
        reckoned = cost.reckon(
            cost.bills(map(facts_of, attempts)), fast, outcome.outcome, self.member.env.deadline, outcome.time
        )
        progress, request = self.training.shipper.progress(), self.training.reporter.stop_request
        return {
            "outcome": outcome.outcome,
            "cause": outcome.cause,
            "reason": outcome.reason,
            "verdict": self.training.verdict.as_dict() if self.training.verdict else None,
            "progress": progress.model_dump() if progress else None,
            "stop_request": request.model_dump() if request else None,
            "money": reckoned.as_dict(),
        }
