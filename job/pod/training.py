"""Training inside the pod: the trainer's process, the verdict over its rows, and every reason to stop it.

It decides alone and first: a BAD verdict, a loop that hangs or a spent budget stops the trainer within seconds, with
the evidence saved.
"""

import contextlib
import time
from pathlib import Path

from infra.store import StoreError
from job.pod import lost_node
from job.pod.checkpoint_uploader import Courier
from job.pod.member import Member
from job.pod.record_sync import Reporter
from job.pod.self_termination import AGENT
from job.pod.shipper import Shipper, last_error
from job.pod.trainer import ASK_SECONDS, STOPPED_ON_REQUEST, Trainer, how_it_ended
from job.record import checkpoints
from job.record.causes import Cause
from job.record.documents import Outcome
from job.run import cost
from job.run.seen import facts_of
from job.run.staleness import DONE, LoopWatch, Silence, overdue
from job.verdict.incremental import LiveJudge
from job.verdict.pace import pace
from job.verdict.signs import State, Verdict

TICK_SECONDS = 0.3
# The loop vouches for itself this long: to the outside an agent that hangs is to look dead.
VOUCH_SECONDS = 60.0
PACE_SECONDS = 10.0


class Training:
    """One attempt's training, with the threads that bring its files into the record."""

    def __init__(self, member: Member) -> None:
        """Reads the record of earlier attempts; raises StoreError or CannotTellError without it."""
        self.member = member
        attempt, attempts = member.attempt, member.run.attempts()
        self.spec = member.run.spec()
        rows = member.run.rows(each for each in attempts if each.number < attempt.number)
        self.broke_at = cost.broke_at(map(facts_of, attempts), self.spec.max_cost)
        self.judge = LiveJudge(self.spec.checklist, rows)
        row_attempt = max((row.attempt for row in rows), default=0) + 1
        self.shipper = Shipper(attempt, member.folder, member.log, row_attempt)
        self.reporter = Reporter(attempt, self.shipper, member.is_mine, member.say)
        self.courier = Courier(attempt, member.workspace / "outbox", member.say)
        self.restored: str | None = None
        """Name of the checkpoint that training begins with: it is in the record already."""
        self.verdict: Verdict | None = None
        self.has_begun = False
        self._paced_at = -PACE_SECONDS
        self._overdue: str | None = None
        self._hung = False

    def start_threads(self) -> None:
        """Begins to beat and to upload."""
        self.reporter.start()
        self.courier.start()

    def run(self) -> Outcome:
        """Trains until the trainer has ended, by itself or for a reason to end; returns how the attempt ends."""
        trainer = Trainer(
            self.spec,
            self.member.run.run_id,
            self.member.workspace / "data",
            self.member.folder,
            self.member.log,
            self.member.env.place,
        )
        self.has_begun = True
        loop = LoopWatch(self.spec.watch, time.monotonic())
        self.reporter.state = "training"
        ending: Outcome | None = None
        while True:
            self.still_alive(VOUCH_SECONDS)
            code = trainer.exit_code()  # asked before judging, so that the last rows are judged too
            self._judge()
            if code is not None:
                return self._lost_node(ending, code) or ending or self.reason_to_end() or self._outcome_of(code)
            silence = loop.look(self.shipper.progress(), time.monotonic())
            if ending is None and (ending := self.reason_to_end() or self._ending_of(silence)):
                self.member.say(f"stopping: {ending.reason}")
                if silence:
                    self._dump(trainer, silence)
                trainer.ask_to_stop(ending.reason)
                self.reporter.state = "stopping"
            if ending and loop.looks == 0:
                trainer.patience = ASK_SECONDS  # it is alive, and may take its time to save
            pressed = trainer.press()
            if pressed:
                self.member.say(pressed)
            time.sleep(TICK_SECONDS)

    def still_alive(self, seconds: float) -> None:
        """Says so for the next seconds, and raises what has ended one of the threads."""
        for failure in (self.reporter.failure, self.courier.failure):
            if failure is not None:
                raise failure
        self.reporter.vouch(seconds)

    def reason_to_end(self) -> Outcome | None:
        """The first reason for which the attempt has to end now; None while it may go on."""
        if self.verdict and self.verdict.verdict is State.BAD:
            return _outcome("bad signs", self.verdict.summary)
        if self.member.seconds_left() == 0:
            late = f"; it was over {self.member.late:.0f} s before the agent started" if self.member.late else ""
            return _outcome("deadline", f"max_hours ({self.spec.max_hours:g}) is over{late}")
        if self.broke_at is not None and time.time() - self.member.ahead > self.broke_at:
            return _outcome("budget", f"max_cost ({self.spec.max_cost:g} USD) is spent")
        if self.member.told_at is not None:
            return _outcome("pod told to end", "the pod was told to end")
        if self._overdue:
            return _outcome("overdue", self._overdue)
        request = self.reporter.stop_request
        return request.granted(AGENT) if request else None

    def offer_checkpoints(self, finished: list[Path]) -> None:
        """Hands finished checkpoints to the uploader: as evidence once the run is BAD."""
        bad = self.verdict is not None and self.verdict.verdict is State.BAD
        self.courier.offer(finished, bad, self.restored)

    def _dump(self, trainer: Trainer, silence: Silence) -> None:
        asked = trainer.wake_and_dump()
        self.member.say(f"asked {asked} processes of the trainer for their stacks")
        with contextlib.suppress(StoreError):  # the log has it too
            self.member.attempt.note("hung", AGENT, **silence.as_dict(), processes_asked=asked)

    def _lost_node(self, ending: Outcome | None, code: int) -> Outcome | None:
        """One node of several that is gone or has crashed ends all: what it was, where nobody asked for an end."""
        asked_for = ending is not None and not self._hung
        if self.member.env.place is None or asked_for or code in (0, STOPPED_ON_REQUEST):
            return None
        self.still_alive(VOUCH_SECONDS)
        progress = self.shipper.progress()
        together = progress.time if progress and progress.phase == "training" else None
        fault = lost_node.whose_fault(self.member.attempt, self.member.env.place.nodes, code, together)
        return _outcome(*fault) if fault else None

    def _ending_of(self, silence: Silence | None) -> Outcome | None:
        if silence is None:
            return None
        self._hung = True
        if silence.phase == DONE:
            return _outcome("finished", "training finished; the trainer's process did not end by itself")
        return _outcome("loop silent", str(silence))

    def _outcome_of(self, code: int) -> Outcome:
        if code == 0:
            said = self.verdict.summary if self.verdict else "no verdict"
            return _outcome("finished", f"training finished; {said}")
        if code == STOPPED_ON_REQUEST:
            return _outcome("stop requested", "the trainer was asked to stop inside the pod")
        return _outcome("trainer failed", how_it_ended(code, last_error(self.member.log)))

    def _judge(self) -> None:
        """Judges by the trainer's own files; the threads bring them into the record."""
        # Listed before the rows are read: whatever row condemns a checkpoint's weights is then among them.
        finished = checkpoints.complete_checkpoints(self.member.folder / "checkpoints")
        new = self.shipper.new_rows()
        self.judge.see(new)
        changed = any(row.kind != "start" for row in new) and self._has_new_verdict()
        if new:
            self.reporter.tell(self.verdict, urgent=changed or any(row.kind != "train" for row in new))
        if new and time.monotonic() - self._paced_at > PACE_SECONDS:
            self._paced_at = time.monotonic()
            self._overdue = overdue(pace(self.judge.rows), self.spec.watch)
        self.offer_checkpoints(finished)

    def _has_new_verdict(self) -> bool:
        """Whether the verdict has changed."""
        before, self.verdict = self.verdict, self.judge.verdict()
        if before is None or before.verdict is not self.verdict.verdict:
            self.member.say(f"verdict: {self.verdict.verdict.upper()}: {self.verdict.summary}")
        return before != self.verdict


def _outcome(cause: Cause, reason: str) -> Outcome:
    return Outcome.of(cause, reason, AGENT)
