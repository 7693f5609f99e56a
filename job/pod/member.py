"""One node of an attempt, seen from inside: its part of the record, its workspace, its log."""

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from infra.files import write_atomic
from infra.store import Unavailable, open_store
from job.errors import CannotTellError
from job.pod import claim, supervisor
from job.pod.retry import retry_until
from job.record.documents import Document, encode
from job.record.run import Run
from job.record.store_clock import SKEW_SECONDS, clock_ahead
from job.run.pod_env import PodEnv
from job.speech import write

# How long a run waits for a store that does not answer, before training and with its last words.
INSIST_SECONDS = 600.0

T = TypeVar("T")


class Member:
    """What the agent and a worker node have in common."""

    def __init__(self, env: PodEnv, name: str, workspace: Path) -> None:
        self.env = env
        self.name = name
        """Of this process, in its log."""
        self.store = open_store(env.store)
        self.run = Run(self.store, env.run_id)
        self.attempt = self.run.attempt(env.attempt)
        self.workspace = workspace
        self.folder = workspace / "training"
        self.log = workspace / "job.log"
        self.told_at: float | None = None
        """When this process was told to end, by the monotonic clock."""
        self.ahead = 0.0
        """Seconds by which this pod's clock is ahead of the store's, as far as is known."""
        self.late = 0.0
        """Seconds by which this process has started past the deadline."""
        self.began = time.monotonic()
        self.until = self.began + min(supervisor.seconds_left(env.deadline, env.limit), env.limit)
        """When the deadline comes, by the monotonic clock."""
        self._error = ""

    def ask_the_time(self, name: str, beat: Document) -> None:
        """Corrects the deadline by the store's clock, which the client has reckoned it by: this pod's may be wrong."""
        self.ahead = clock_ahead(self.store, f"{self.attempt.prefix}/{name}", encode(beat.model_dump()))
        if abs(self.ahead) > SKEW_SECONDS:
            side = "ahead of" if self.ahead > 0 else "behind"
            self.say(f"this pod's clock is {abs(self.ahead):.0f} s {side} the store's, by which the deadline is kept")
        left = self.env.deadline + self.ahead - time.time()
        self.late = max(-left, 0.0)
        if self.late:
            self.say(f"started {self.late:.0f} s past the deadline")
        self.until = min(time.monotonic() + left, self.began + self.env.limit)
        with suppress(OSError):  # the supervisor then goes by this pod's own clock
            write_atomic(Path(self.env.workspace) / supervisor.UNTIL_FILE, [str(self.until).encode()])

    def seconds_left(self) -> float:
        """Until the deadline; 0 past it."""
        return max(self.until - time.monotonic(), 0.0)

    def wait_for_claim(self) -> None:
        """Returns once the attempt is this pod's; raises NotMineError where it is not so in time."""
        claim.wait_for(self.attempt, self.env, lambda: self.told_at is not None)

    def is_mine(self) -> bool:
        """Whether the attempt is claimed for this pod; raises NotMineError where it is another's, or over."""
        return claim.is_mine(self.attempt, self.env)

    def insist(self, step: Callable[[], T], pause: float) -> T:
        """Does a step that must be done before training, repeatedly while the store is unreachable."""
        until = time.monotonic() + INSIST_SECONDS
        return retry_until(
            step,
            errors=(Unavailable, CannotTellError),
            over=lambda: self.told_at is not None or time.monotonic() > min(until, self.until),
            pause=pause,
            say=self.note_error,
        )

    def note_error(self, error: Exception) -> None:
        """Writes into the log why the record cannot be reached, once for the same reason."""
        if str(error) != self._error:
            self.say(f"the record cannot be reached now: {error}")
        self._error = str(error)

    def say(self, what: str) -> None:
        """Writes a line into the log."""
        line = f"{self.name} {time.strftime('%H:%M:%S', time.gmtime())}: {what}\n"
        try:
            with self.log.open("a") as log:
                log.write(line)
        except OSError:  # a full disk must not end the run in a worse way than it has to
            write(sys.stderr, line)
