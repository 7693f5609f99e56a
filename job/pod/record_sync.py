"""What the agent tells the record and reads from it while it works: a thread of its own.

So a store that is slow or away holds up neither the judging nor the trainer. The thread beats only as long as the
agent's loop vouches for itself: a loop that hangs must look dead from outside.
"""

import threading
import time
from collections.abc import Callable

from infra.background import Background
from job.pod.claim import NotMineError
from job.pod.shipper import Shipper
from job.record.attempt import Attempt
from job.record.documents import Beat, StopRequest
from job.record.no_answer import RECORD_AWAY
from job.verdict.signs import Verdict

BEAT_SECONDS = 2.0
ROUND_SECONDS = 0.3
GONE_SECONDS = 60.0
"""A record that was there may be missing for so long: a folder that is not mounted for a moment looks the same."""
PAUSE_SECONDS = 2.0
"""After a round that failed."""


class Reporter:
    """Ships rows, log, samples and verdict, beats, and looks for a request to stop."""

    def __init__(
        self, attempt: Attempt, shipper: Shipper, check_mine: Callable[[], bool], say: Callable[[str], None]
    ) -> None:
        self.attempt = attempt
        self.shipper = shipper
        self.check_mine = check_mine
        self.say = say
        self.state = "starting"
        self.synced: tuple[int, int] | None = None
        """(bytes there, bytes in all) of the data, while they are fetched."""
        self.stop_request: StopRequest | None = None
        self.failure: Exception | None = None
        """What ended this thread: the pod is not this run's any more, or something unforeseen."""
        self._verdict: Verdict | None = None
        self._verdict_shipped: Verdict | None = None
        self._vouched_until = 0.0
        self._beaten: tuple[str, float] = ("", -BEAT_SECONDS)
        self._trouble = ""
        self._gone_since: float | None = None
        self._urgent = False
        self._ending = threading.Event()
        self._thread: Background[None] | None = None

    def start(self) -> None:
        """Begins to beat."""
        self._thread = Background(self._run, "reporter")

    def vouch(self, seconds: float) -> None:
        """The agent's loop is alive and will be heard again within so many seconds."""
        self._vouched_until = time.monotonic() + seconds

    def tell(self, verdict: Verdict | None, urgent: bool) -> None:
        """Hands over the newest verdict; with ``urgent`` the rows go up with the next round."""
        self._verdict = verdict
        self._urgent = self._urgent or urgent

    def close(self, until: float) -> bool:
        """Ends the thread; whether it has ended by then (monotonic clock), so that somebody else may ship."""
        self._ending.set()
        return self._thread is None or self._thread.wait(max(until - time.monotonic(), 0.0))

    def last_words(self, verdict: Verdict | None) -> None:
        """Ships everything that is left, from the calling thread. Raises when the store does not take it."""
        self._ship(at_once=True)
        if verdict:
            self.attempt.write("verdict.json", verdict.as_dict())

    def _run(self) -> None:
        try:
            while not self._ending.wait(ROUND_SECONDS):
                try:
                    self._round()
                except RECORD_AWAY as error:
                    # Training and judging go on; what was not shipped is tried again in the next round.
                    if str(error) != self._trouble:
                        self.say(f"the record cannot be reached now: {error}")
                    self._trouble = str(error)
                    self._ending.wait(PAUSE_SECONDS)
        except Exception as error:  # noqa: BLE001 - the agent's loop raises it
            self.failure = error

    def _round(self) -> None:
        if not self._beat():
            return
        urgent, self._urgent = self._urgent, False
        verdict = self._verdict
        try:
            if verdict and verdict != self._verdict_shipped:
                self.attempt.write("verdict.json", verdict.as_dict())
                self._verdict_shipped = verdict
            self._ship(rows_at_once=urgent)
        except RECORD_AWAY:
            self._urgent = self._urgent or urgent
            raise
        self._trouble = ""

    def _ship(self, at_once: bool = False, rows_at_once: bool = False) -> None:
        self.shipper.ship_rows(at_once or rows_at_once)
        self.shipper.ship_progress()
        self.shipper.ship_samples()
        self.shipper.ship_log(at_once)
        self.shipper.ship_compiled()

    def _is_recorded(self) -> bool:
        """Whether the record still has the claim. Without it nothing is written: that would make half a record again.

        Raises NotMineError once it has been gone for as long as a mount may be away.
        """
        if self.check_mine():
            self._gone_since = None
            return True
        now = time.monotonic()
        if self._gone_since is None:
            self._gone_since = now
            self.say("the record of this run is gone")
        if now - self._gone_since > GONE_SECONDS:
            raise NotMineError(f"its record has been gone for {now - self._gone_since:.0f} s")
        return False

    def _beat(self) -> bool:
        """Beats, where it is time to; whether the record is there, as far as was looked."""
        state, now = self.state, time.monotonic()
        if now > self._vouched_until or (state == self._beaten[0] and now - self._beaten[1] < BEAT_SECONDS):
            return self._gone_since is None
        if not self._is_recorded():
            return False
        self.stop_request = self.attempt.stop_request()
        synced, to_sync = (self.synced if state == "syncing" else None) or (None, None)
        beat = {"state": state, "time": time.time(), "synced": synced, "to_sync": to_sync}
        self.attempt.write("alive.json", Beat.model_validate(beat))
        self._beaten = (state, now)
        return True
