"""What runs in every node beside the first: its part of the training, and nothing of the record but its own beat.

The first node has the agent, which judges, ships and decides. This one waits for the same claim, fetches the data,
trains with the others and ends when the attempt has its outcome. It needs no checkpoint: the first node's trainer
shares what it has restored.
"""

import contextlib
import os
import signal
import sys
import time
from pathlib import Path
from types import FrameType
from typing import Literal

from job import dataset
from job.pod import claim
from job.pod.lost_node import BEAT_SECONDS
from job.pod.member import Member
from job.pod.shipper import last_error
from job.pod.trainer import STOPPED_ON_REQUEST, Trainer
from job.record.causes import NODE_LOST, lost_in_words
from job.record.documents import Beat, NodeBeat, Outcome
from job.record.no_answer import RECORD_AWAY
from job.run.pod_env import PodEnv
from job.speech import tell

TICK_SECONDS = 0.5
INSIST_PAUSE_SECONDS = 2.0
# From the end of the trainer: what the first node gets to write the outcome, as long as it beats;
SILENT_SECONDS = 60.0
# how long after that it is still the first node's end that is waited for, and not its beginning;
AGAIN_SECONDS = 90.0
# and what a trainer that was told to end gets to save.
END_SECONDS = 40.0
# A provider that starts ended containers again is not to do so without a pause.
RESTART_PAUSE_SECONDS = 30.0
LOG_BYTES, LOG_SECONDS = 256 << 10, 15.0


class Node(Member):
    """One node's part in one attempt."""

    def __init__(self, env: PodEnv) -> None:
        if env.place is None:
            raise ValueError("not one of several nodes: NUM_NODES is 1 or not set")
        # A network volume is the workspace of all nodes.
        super().__init__(env, f"node {env.place.rank}", Path(env.workspace) / f"node{env.place.rank}")
        self.place = env.place
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.joined = time.time()
        self.looked_at = -BEAT_SECONDS
        self.shipped_at = -LOG_SECONDS
        self.heard: Beat | None = None
        self.heard_at = time.monotonic()

    def work(self) -> int:
        """The node's part; returns the exit code: 0 once the attempt has an outcome."""
        if self.insist(self.attempt.outcome, INSIST_PAUSE_SECONDS) is not None:
            self.say("the attempt has ended already")
            time.sleep(RESTART_PAUSE_SECONDS)
            return 0
        try:
            self.insist(self.wait_for_claim, INSIST_PAUSE_SECONDS)
        except claim.NotMineError as error:
            self.say(f"not wanted: {error}")
            return 1
        self.insist(self._ask_the_time, INSIST_PAUSE_SECONDS)
        self.insist(self._sync, INSIST_PAUSE_SECONDS)
        while True:
            data = self.workspace / "data"
            trainer = Trainer(self.run.spec(), self.run.run_id, data, self.folder, self.log, self.place)
            try:
                code = self._attend(trainer)
            finally:
                self._end(trainer)
            if code is not None:
                return code
            self.say("the first node lives and there is no outcome: joining it, as it may have been started again")
            self.joined = time.time()

    def _ask_the_time(self) -> None:
        beat = NodeBeat(state="syncing", began=self.joined, time=time.time())
        self.ask_the_time(f"nodes/{self.place.rank}.json", beat)

    def _sync(self) -> None:
        dataset.pull(self.run.store, self.run.submission().dataset, self.workspace / "data", self._between_files)

    def _between_files(self, done: int, total: int) -> None:
        if self._is_over("syncing") or self.told_at is not None:
            raise SystemExit(0)

    def _attend(self, trainer: Trainer) -> int | None:
        """Until the outcome is there, or the trainer has ended and there is nobody who would write it.

        None where the first node is there and has written none: it may have been started again, even after a training
        that ended well, and then waits for this one. If it only uploads for long, joining it does no harm.
        """
        ended = False
        self.heard_at = ended_at = time.monotonic()
        while True:
            code = trainer.exit_code()
            if code is not None and not ended:
                ended = True
                self.say(f"the trainer has ended with exit code {code}")
                self.heard_at = ended_at = time.monotonic()
                self.looked_at = -BEAT_SECONDS  # told at once: the first node asks
            if self._is_over("training" if code is None else "ended", code):
                return 0
            if self.told_at and trainer.asked_at is None:
                trainer.ask_to_stop("this node was told to end")
            if ended and (self.told_at or self._first_is_silent()):
                self._close(code)
                return 1
            if ended and time.monotonic() - ended_at > AGAIN_SECONDS:
                return None
            time.sleep(TICK_SECONDS)

    def _is_over(self, state: Literal["syncing", "training", "ended"], code: int | None = None) -> bool:
        """Beats, and looks whether the attempt has an outcome, every few seconds; a store that is away says nothing."""
        if time.monotonic() - self.looked_at < BEAT_SECONDS:
            return False
        self.looked_at = time.monotonic()
        said = last_error(self.log) if code else ""
        beat = NodeBeat(state=state, exit_code=code, said=said, began=self.joined, time=time.time())
        try:
            self.attempt.write(f"nodes/{self.place.rank}.json", beat)
            if time.monotonic() - self.shipped_at > LOG_SECONDS:
                self._ship_log()
            return self.attempt.outcome() is not None
        except RECORD_AWAY:
            return False

    def _first_is_silent(self) -> bool:
        with contextlib.suppress(*RECORD_AWAY):
            beat = self.attempt.beat()
            if beat != self.heard:
                self.heard, self.heard_at = beat, time.monotonic()
        return time.monotonic() - self.heard_at > SILENT_SECONDS

    def _close(self, code: int | None) -> None:
        """The first node, which should have said how the attempt has ended, cannot any more."""
        if self.told_at or code in (0, STOPPED_ON_REQUEST):
            return
        reason = lost_in_words([0], self.place.nodes, "does not answer any more")
        outcome = Outcome.of(NODE_LOST, reason, f"node {self.place.rank}")
        with contextlib.suppress(*RECORD_AWAY):
            if self.attempt.write_once("outcome.json", outcome):
                details = outcome.model_dump(include={"outcome", "cause", "reason"})
                self.attempt.note("ended", outcome.by, **details)

    def _end(self, trainer: Trainer) -> None:
        """Nothing of the trainer may outlive this node's part."""
        if trainer.exit_code() is None:
            trainer.process.terminate()
            until = time.monotonic() + END_SECONDS
            while trainer.exit_code() is None and time.monotonic() < until:
                time.sleep(TICK_SECONDS)
            trainer.process.kill()
        with contextlib.suppress(*RECORD_AWAY):
            self._ship_log()

    def _ship_log(self) -> None:
        """The end of the log, whole: it is for whoever asks why this node has failed."""
        self.shipped_at = time.monotonic()
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - LOG_BYTES, 0))
            self.run.store.put(f"{self.attempt.prefix}/nodes/{self.place.rank}.log", log.read())

    def say(self, what: str) -> None:
        """Writes a line into the log, and into what the container prints: of this node nothing else is there."""
        tell(f"{self.name}: {what}")
        super().say(what)


def main() -> int:
    """Does this node's part of the attempt; ends by exiting, since one node cannot end the whole pod."""
    node = Node(PodEnv.read())

    def told_to_end(number: int, frame: FrameType | None) -> None:
        node.told_at = node.told_at or time.monotonic()

    signal.signal(signal.SIGTERM, told_to_end)
    return node.work()


if __name__ == "__main__":
    sys.exit(main())
