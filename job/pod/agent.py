"""The agent inside the pod: waits for its claim, brings data and checkpoint, trains, judges, ships, ends the pod.

It decides alone and first: a BAD verdict, a loop that hangs or a spent budget stops the trainer within seconds, with
the evidence saved. The watchdog outside judges by the same functions and acts only when this one does not.
"""

import contextlib
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from infra.store import StoreError, Unavailable, open_store
from job import dataset
from job.errors import CannotTellError
from job.pod import claim, lost_node, self_termination
from job.pod.checkpoint_uploader import Courier
from job.pod.record_sync import Reporter
from job.pod.self_termination import AGENT
from job.pod.shipper import Shipper, last_error
from job.pod.trainer import ASK_SECONDS, STOPPED_ON_REQUEST, Trainer, how_it_ended
from job.pod.wandb_summary import NOT_TOLD, LastWord, word
from job.record import checkpoints, compile_cache
from job.record.causes import Cause
from job.record.no_answer import RECORD_AWAY
from job.record.run import Outcome, Run
from job.run import cost
from job.run.pod_env import PodEnv
from job.run.staleness import DONE, LoopWatch, Silence, overdue
from job.verdict.incremental import LiveJudge
from job.verdict.pace import pace
from job.verdict.signs import State, Verdict

TICK_SECONDS = 0.3
STARTED = "agent started"
MOST_RESTARTS = 3
# How long a run waits for a store that does not answer, before training and with its last words.
INSIST_SECONDS = 600.0
INSIST_LATE_SECONDS = 45.0  # past the deadline; the supervisor gives 60
INSIST_PAUSE_SECONDS = 2.0
# What the last checkpoints get to go up: less where somebody outside waits (`job.run.termination`), and after SIGTERM,
# which the supervisor follows with SIGKILL after 60 s.
UPLOAD_SECONDS = 540.0
UPLOAD_ASKED_SECONDS = 180.0
UPLOAD_TOLD_SECONDS = 50.0
UPLOAD_LATE_SECONDS = 35.0  # past the deadline
# The loop vouches for itself this long: to the outside an agent that hangs is to look dead.
VOUCH_SECONDS = 60.0
VOUCH_SYNC_SECONDS = 1800.0  # one large file
PACE_SECONDS = 10.0

T = TypeVar("T")


class EndedEarlyError(Exception):
    """There is a reason to end before training has begun."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


class Agent:
    """One attempt, from the claim to the outcome."""

    def __init__(self, env: PodEnv) -> None:
        self.env = env
        self.store = open_store(env.store)
        self.run = Run(self.store, env.run_id)
        self.attempt = self.run.attempt(env.attempt)
        self.workspace = Path(env.workspace)
        self.folder = self.workspace / "training"
        self.log = self.workspace / "job.log"
        self.told_at: float | None = None
        self.trouble = ""
        self.restored: str | None = None
        self.verdict: Verdict | None = None
        self.paced_at = -PACE_SECONDS
        self.overdue: str | None = None
        self.hung = False
        self.broke_at: float | None = None
        self.has_trained = False

    def work(self) -> None:
        """The whole attempt. On return the outcome is in the record."""
        if self._patiently(self.attempt.outcome) is not None:
            return  # the container was restarted after the end
        self._patiently(lambda: claim.wait_for(self.attempt, self.env, lambda: self.told_at is not None))
        self._patiently(self._read_record)
        try:
            self._patiently(self._count_restarts)
            self._patiently(self._sync)
            outcome = self._train()
        except EndedEarlyError as early:
            outcome = early.outcome
        except RECORD_AWAY as error:
            outcome = self._outcome("record away", f"the record or the data could not be reached: {error}")
        self._finish(outcome)

    def _is_mine(self) -> bool:
        return claim.is_mine(self.attempt, self.env)

    def _read_record(self) -> None:
        self.spec = self.run.spec()
        attempts = self.run.attempts()
        rows = self.run.rows(attempt for attempt in attempts if attempt.number < self.attempt.number)
        self.broke_at = cost.broke_at(attempts, self.spec.max_cost)
        self.judge = LiveJudge(self.spec.checklist, rows)
        row_attempt = max((row.attempt for row in rows), default=0) + 1
        self.shipper = Shipper(self.attempt, self.folder, self.log, row_attempt)
        self.reporter = Reporter(self.attempt, self.shipper, self._is_mine, self._say)
        self.courier = Courier(self.attempt, self.workspace / "outbox", self._say)
        self.reporter.start()
        self.courier.start()

    def _patiently(self, step: Callable[[], T]) -> T:
        """Does a step that must be done before training, again and again while the store is away."""
        until = time.monotonic() + min(INSIST_SECONDS, max(self.env.deadline - time.time(), 0.0))
        while True:
            try:
                return step()
            except (Unavailable, CannotTellError) as error:
                self._note_trouble(error)
                if self.told_at is not None or time.monotonic() > until:
                    raise
                time.sleep(INSIST_PAUSE_SECONDS)

    def _count_restarts(self) -> None:
        """Some providers start a container again whenever it ends: what never gets further must not go on for ever."""
        newest = max((ref.step for ref in self.attempt.checkpoints()), default=None)
        starts = [event for event in self.attempt.events() if event["what"] == STARTED]
        in_vain = sum(event["checkpoint"] == newest for event in starts)
        if in_vain >= MOST_RESTARTS:
            said = f"the container was started again {in_vain} times without a new checkpoint"
            raise EndedEarlyError(self._outcome("restarts", said))
        self.attempt.note(STARTED, AGENT, pod=self.env.pod_id, checkpoint=newest, restarts=len(starts))

    def _sync(self) -> None:
        if self.spec.nodes != self.env.nodes:
            said = f"nodes: {self.spec.nodes}, but the provider has told this pod of {self.env.nodes}"
            raise EndedEarlyError(self._outcome("wrong nodes", said))
        self._say("fetching the data")
        self.reporter.state = "syncing"
        self._still_alive(VOUCH_SYNC_SECONDS)
        dataset.pull(self.store, self.run.submission().dataset, self.workspace / "data", self._between_files)
        ref, skipped = checkpoints.restore_newest(self.run, self.folder / "checkpoints")
        for problem in skipped:
            self._say(f"skipped a broken checkpoint: {problem}")
            self.attempt.note("checkpoint skipped", AGENT, problem=problem)
        if ref is not None:
            self.restored = ref.prefix.rsplit("/", 1)[1]
            self._say(f"resuming from step {ref.step} of attempt {ref.attempt}")
            self.attempt.note("restored", AGENT, step=ref.step, attempt=ref.attempt)
        made_by = compile_cache.restore(self.run, self.attempt.number, self.folder, self.env.seal_key)
        if made_by is not None:
            self._say(f"compiled code of attempt {made_by}")
        self.shipper.keep_compiled(self.env.seal_key)

    def _between_files(self, done: int, total: int) -> None:
        self.reporter.synced = (done, total)
        self._still_alive(VOUCH_SYNC_SECONDS)
        ending = self._reason_to_end()
        if ending:
            raise EndedEarlyError(ending)

    def _train(self) -> Outcome:
        trainer = Trainer(self.spec, self.run.run_id, self.workspace / "data", self.folder, self.log, self.env.place)
        self.has_trained = True
        loop = LoopWatch(self.spec.watch, time.monotonic())
        self.reporter.state = "training"
        ending: Outcome | None = None
        while True:
            self._still_alive(VOUCH_SECONDS)
            code = trainer.exit_code()  # asked before judging, so that the last rows are judged too
            self._judge()
            if code is not None:
                return self._lost_node(ending, code) or ending or self._reason_to_end() or self._outcome_of(code)
            silence = loop.look(self.shipper.progress(), time.monotonic())
            if ending is None and (ending := self._reason_to_end() or self._hung(silence)):
                self._say(f"stopping: {ending.reason}")
                if silence:
                    self._dump(trainer, silence)
                trainer.ask_to_stop(ending.reason)
                self.reporter.state = "stopping"
            if ending and loop.looks == 0:
                trainer.patience = ASK_SECONDS  # it is alive, and may take its time to save
            pressed = trainer.press()
            if pressed:
                self._say(pressed)
            time.sleep(TICK_SECONDS)

    def _dump(self, trainer: Trainer, silence: Silence) -> None:
        asked = trainer.wake_and_dump()
        self._say(f"asked {asked} processes of the trainer for their stacks")
        with contextlib.suppress(StoreError):  # the log has it too
            self.attempt.note("hung", AGENT, **silence.as_dict(), processes_asked=asked)

    def _lost_node(self, ending: Outcome | None, code: int) -> Outcome | None:
        """One node of several that is gone or has crashed ends all: what it was, where nobody asked for an end."""
        asked_for = ending is not None and not self.hung
        if self.env.place is None or asked_for or code in (0, STOPPED_ON_REQUEST):
            return None
        self._still_alive(VOUCH_SECONDS)
        progress = self.shipper.progress()
        together = progress.time if progress and progress.phase == "training" else None
        fault = lost_node.whose_fault(self.attempt, self.env.place.nodes, last_error(self.log), together)
        return self._outcome(*fault) if fault else None

    def _hung(self, silence: Silence | None) -> Outcome | None:
        if silence is None:
            return None
        self.hung = True
        if silence.phase == DONE:
            return self._outcome("finished", "training finished; the trainer's process did not end by itself")
        return self._outcome("loop silent", str(silence))

    def _reason_to_end(self) -> Outcome | None:
        if self.verdict and self.verdict.verdict is State.BAD:
            return self._outcome("bad signs", self.verdict.summary)
        if time.time() > self.env.deadline:
            return self._outcome("deadline", f"max_hours ({self.spec.max_hours:g}) is over")
        if self.broke_at is not None and time.time() > self.broke_at:
            return self._outcome("budget", f"max_cost ({self.spec.max_cost:g} USD) is spent")
        if self.told_at is not None:
            return self._outcome("pod told to end", "the pod was told to end")
        if self.overdue:
            return self._outcome("overdue", self.overdue)
        request = self.reporter.stop_request
        return request.granted(AGENT) if request else None

    def _outcome_of(self, code: int) -> Outcome:
        if code == 0:
            said = self.verdict.summary if self.verdict else "no verdict"
            return self._outcome("finished", f"training finished; {said}")
        if code == STOPPED_ON_REQUEST:
            return self._outcome("stop requested", "the trainer was asked to stop inside the pod")
        return self._outcome("trainer failed", how_it_ended(code, last_error(self.log)))

    def _still_alive(self, seconds: float) -> None:
        """Says so for the next seconds, and raises what has ended one of the threads."""
        for failure in (self.reporter.failure, self.courier.failure):
            if failure is not None:
                raise failure
        self.reporter.vouch(seconds)

    def _judge(self) -> None:
        """Judges by the trainer's own files; the threads bring them into the record."""
        # Listed before the rows are read: whatever row condemns a checkpoint's weights is then among them.
        finished = checkpoints.complete_checkpoints(self.folder / "checkpoints")
        new = self.shipper.new_rows()
        self.judge.see(new)
        changed = any(row.kind != "start" for row in new) and self._look_at_verdict()
        if new:
            self.reporter.tell(self.verdict, urgent=changed or any(row.kind != "train" for row in new))
        if new and time.monotonic() - self.paced_at > PACE_SECONDS:
            self.paced_at = time.monotonic()
            self.overdue = overdue(pace(self.judge.rows), self.spec.watch)
        self._offer(finished)

    def _offer(self, finished: list[Path]) -> None:
        bad = self.verdict is not None and self.verdict.verdict is State.BAD
        self.courier.offer(finished, bad, self.restored)

    def _look_at_verdict(self) -> bool:
        """Whether the verdict has changed."""
        before, self.verdict = self.verdict, self.judge.verdict()
        if before is None or before.verdict is not self.verdict.verdict:
            self._say(f"verdict: {self.verdict.verdict.upper()}: {self.verdict.summary}")
        return before != self.verdict

    def _finish(self, outcome: Outcome) -> None:
        """Offers everything to the store until it takes it, the outcome last. The beats go on with the uploads."""
        self._say(f"{outcome.outcome}: {outcome.reason}")
        left = max(self.env.deadline - time.time(), 0.0)
        until = time.monotonic() + min(INSIST_SECONDS, left + INSIST_LATE_SECONDS)
        last_word = self._last_word(outcome)
        giving_up_at = self._upload_the_last(left)
        if last_word:
            last_word.end(giving_up_at, self.shipper, self._say)
        if isinstance(self.reporter.failure, claim.NotMineError):
            raise self.reporter.failure
        if not self.reporter.close(until):
            raise Unavailable("the record cannot be reached: a call to it has not come back")
        while True:
            try:
                self.reporter.last_words(self.verdict)
                self.attempt.note("ended", AGENT, **self._grounds(outcome))
                self.attempt.write_once("outcome.json", outcome)
                return
            except RECORD_AWAY as error:
                self._note_trouble(error)
                if time.monotonic() > until:
                    raise
                time.sleep(INSIST_PAUSE_SECONDS)

    def _last_word(self, outcome: Outcome) -> LastWord | None:
        """Begins to tell Weights & Biases, where the trainer has, or may have, opened a run there."""
        if not (self.spec.wandb.on and self.has_trained) or isinstance(self.reporter.failure, claim.NotMineError):
            return None
        told = word(self.spec, self.attempt.number, self.verdict, outcome)
        try:
            return LastWord(self.spec, self.run.run_id, self.folder, self.log, told)
        except OSError as error:  # a full disk
            self._say(f"{NOT_TOLD}: {error.strerror}")
            return None

    def _upload_the_last(self, left: float) -> float:
        """Waits for the checkpoints, but never so long that the outcome would be lost with them; returns how long."""
        self._offer(checkpoints.complete_checkpoints(self.folder / "checkpoints"))
        now = time.monotonic()
        most = UPLOAD_ASKED_SECONDS if self.reporter.stop_request else UPLOAD_SECONDS
        until = now + min(most, left + UPLOAD_LATE_SECONDS)
        if self.told_at is not None:
            until = min(until, self.told_at + UPLOAD_TOLD_SECONDS)
        self.reporter.vouch(until - now + VOUCH_SECONDS)
        for name in self.courier.finish(until):
            self._say(f"checkpoint {name} was not uploaded in time")
        return until

    def _grounds(self, outcome: Outcome) -> dict[str, Any]:
        """What the attempt ended for, with what that was decided by, and the money."""
        attempts = [attempt for attempt in self.run.attempts() if attempt.number <= self.attempt.number]
        fast = pace(self.judge.rows)
        reckoned = cost.reckon(cost.bills(attempts), fast, outcome.outcome, self.env.deadline, outcome.time)
        progress, request = self.shipper.progress(), self.reporter.stop_request
        return {
            "outcome": outcome.outcome,
            "cause": outcome.cause,
            "reason": outcome.reason,
            "verdict": self.verdict.as_dict() if self.verdict else None,
            "progress": progress.model_dump() if progress else None,
            "stop_request": request.model_dump() if request else None,
            "money": reckoned.as_dict(),
        }

    def crashed(self, error: Exception) -> None:
        """The last word of an agent that met what it cannot handle."""
        away = isinstance(error, RECORD_AWAY)
        said = f"the record could not be reached for too long: {error}" if away else f"the agent crashed: {error!r}"
        self._say(said)
        self.attempt.write_once("outcome.json", self._outcome("record away" if away else "agent failed", said))

    def _note_trouble(self, error: Exception) -> None:
        if str(error) != self.trouble:
            self._say(f"the record cannot be reached now: {error}")
        self.trouble = str(error)

    def _outcome(self, cause: Cause, reason: str) -> Outcome:
        return Outcome.of(cause, reason, AGENT)

    def _say(self, what: str) -> None:
        line = f"agent {time.strftime('%H:%M:%S', time.gmtime())}: {what}\n"
        try:
            with self.log.open("a") as log:
                log.write(line)
        except OSError:  # a full disk must not end the run in a worse way than it has to
            sys.stderr.write(line)


def main() -> int:
    """Runs the attempt this pod was started for, then ends the pod: by the provider, never by just exiting."""
    env = PodEnv.read()
    agent = Agent(env)

    def told_to_end(number: int, frame: FrameType | None) -> None:
        agent.told_at = agent.told_at or time.monotonic()

    signal.signal(signal.SIGTERM, told_to_end)
    self_termination.guard_deadline(env.deadline)
    return attend(agent)


def attend(agent: Agent) -> int:
    """The agent's work and, whatever came of it, the end of its pod; returns the exit code."""
    code = 0
    try:
        agent.work()
    except claim.NotMineError as error:
        sys.stderr.write(f"agent: this pod is not wanted: {error}\n")
    except Exception as error:  # noqa: BLE001 - whatever went wrong, the pod must end
        code = 1
        with contextlib.suppress(Exception):  # else whoever finds the pod gone writes the outcome
            traceback.print_exc()
            agent.crashed(error)
    return code if self_termination.end(agent.env, agent.attempt) else 1


if __name__ == "__main__":
    sys.exit(main())
