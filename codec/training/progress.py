"""What the training loop tells the world while it runs: a beat for machines, a bar or lines for people."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from codec.files import to_json, write_atomically

BEAT_SECONDS = 1.0
LINE_SECONDS = 10.0


class Beat:
    """`progress.json`, written by the loop itself: a thread would go on beating beside a hung loop."""

    def __init__(self, path: Path, mute: bool = False) -> None:
        self._path = path
        self._mute = mute  # another rank's beat counts
        self._phase = ""
        self._due = 0.0

    def __call__(self, step: int, epoch: int, phase: str) -> None:
        """Note that the loop is alive; written when the phase changes, otherwise at most every second."""
        now = time.monotonic()
        if self._mute or (phase == self._phase and now < self._due):
            return
        self._phase, self._due = phase, now + BEAT_SECONDS
        beat = {"step": step, "epoch": epoch, "phase": phase, "time": time.time()}
        write_atomically(self._path, to_json(beat) + "\n")


class Display:
    """A progress bar on a terminal, plain lines in a log. Used as a context."""

    def __init__(self, mute: bool = False) -> None:
        console = Console(file=sys.stdout, highlight=False, soft_wrap=True, quiet=mute)
        self._bar: Progress | None = None
        self._console = console
        if console.is_terminal and not mute:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
            self._task = self._bar.add_task("preparing", total=None)
        self._line_due = 0.0

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def say(self, text: str) -> None:
        """One line for people, above the bar if there is one."""
        self._console.print(text, markup=False, emoji=False)
        self._console.file.flush()

    def advance(self, step: int, planned_steps: int) -> None:
        """Move the bar; a log has none."""
        if self._bar:
            self._bar.update(self._task, completed=step, total=planned_steps)

    def train(self, row: Mapping[str, Any], planned_steps: int) -> None:
        """Show a train row: always in the bar, every ten seconds or so in a log."""
        text = (
            f"loss {row['loss']:.4g}  l1 {row['l1']:.4g}  vq {row['vq']:.4g}  "
            f"{row['audio_seconds_per_second']:.0f}x real time"
        )
        if row["nonfinite_steps"]:
            text += f"  non-finite steps {row['nonfinite_steps']}"
        if self._bar:
            self._bar.update(self._task, description=text)
        elif time.monotonic() >= self._line_due:
            self._line_due = time.monotonic() + LINE_SECONDS
            self._say_when(f"step {row['step']}/{planned_steps}  {text}")

    def validation(self, row: Mapping[str, Any]) -> None:
        """Show a validation row."""
        self._say_when(
            f"epoch {row['epoch']} (step {row['step']}): loss {row['loss']:.4g}  snr {row['snr_db']:.2f} dB  "
            f"amplitude {row['amplitude']:.2f}  correlation {row['correlation']:.2f}"
        )

    def _say_when(self, text: str) -> None:
        """A line of a log begins with its time of day, UTC; on a terminal people see it come."""
        self.say(text if self._bar else f"{time.strftime('%H:%M:%S', time.gmtime())}  {text}")
