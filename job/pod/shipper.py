"""From the trainer's folder into the record: rows, log, progress, samples.

Checkpoints go with `job.pod.checkpoint_uploader`.

Everything here may fail and be called again: what has been shipped is remembered only once the store has it.
"""

import re
import time
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from job.record.attempt import Attempt
from job.record.compile_cache import Keeper
from job.record.documents import Progress
from job.verdict.rows import Row, parse

# Rows and log lines are shipped this often, into a piece that grows until it is this large: so few pieces are written
# that a reader of a day of training fetches a hundred, and none is so large that it is dear to write again.
PIECE_SECONDS = 5.0
PIECE_BYTES = 128 << 10


class Tail:
    """The end of a growing file: its last piece in the record, and what that lacks."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = 0
        """Where the last piece begins."""
        self.size = 0
        """Bytes of it that the record has."""
        self.sequence: int | None = None
        """Its number; not known before the record was asked, once."""
        self.shipped_at = -PIECE_SECONDS

    def piece(self, whole_lines: bool) -> bytes:
        """The last piece as it should be now; with ``whole_lines``, up to the last line's end."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.start)
                data = file.read()
        except FileNotFoundError:
            return b""
        return data[: data.rfind(b"\n") + 1] if whole_lines else data

    def shipped(self, size: int) -> None:
        """The record has ``size`` bytes of the last piece; a large one is closed."""
        self.size = size
        self.shipped_at = time.monotonic()
        if size >= PIECE_BYTES and self.sequence is not None:
            self.start, self.size, self.sequence = self.start + size, 0, self.sequence + 1

    @property
    def due(self) -> bool:
        """Whether the last piece was written long enough ago."""
        return time.monotonic() - self.shipped_at >= PIECE_SECONDS


class Shipper:
    """Ships one attempt's files. Reading (`new_rows`, `progress`) and shipping may happen in two threads."""

    def __init__(self, attempt: Attempt, folder: Path, log: Path, row_attempt: int) -> None:
        self.attempt = attempt
        self.row_attempt = row_attempt
        self.folder = folder
        self.rows_file = Tail(folder / "metrics.jsonl")
        self.log_file = Tail(log)
        self.read_to = 0
        self.progress_shipped: Progress | None = None
        self.done: set[str] = set()
        self.keeper: Keeper | None = None

    def new_rows(self) -> list[Row]:
        """The rows that the trainer has written since the last call, read from its own file."""
        try:
            with self.rows_file.path.open("rb") as file:
                file.seek(self.read_to)
                data = file.read()
        except FileNotFoundError:
            return []
        data = data[: data.rfind(b"\n") + 1]
        self.read_to += len(data)
        return list(parse(data, self.row_attempt).rows)

    def ship_rows(self, at_once: bool) -> None:
        """Ships whole rows."""
        if at_once or self.rows_file.due:
            self._ship("metrics", self.rows_file, self.rows_file.piece(whole_lines=True))

    def ship_log(self, at_once: bool) -> None:
        """Ships what the log has grown by."""
        if at_once or self.log_file.due:
            self._ship("log", self.log_file, self.log_file.piece(whole_lines=not at_once))

    def progress(self) -> Progress | None:
        """The training loop's newest beat, from its own file; None before the first, or where it cannot be read."""
        try:
            return Progress.model_validate_json((self.folder / "progress.json").read_text())
        except (FileNotFoundError, ValidationError):
            return None

    def ship_progress(self) -> None:
        """Copies the training loop's beat."""
        progress = self.progress()
        if progress is not None and progress != self.progress_shipped:
            self.attempt.write("progress.json", progress)
            self.progress_shipped = progress

    def ship_samples(self) -> None:
        """Ships original and decoded audio."""
        for path in sorted((self.folder / "samples").glob("[0-9]*/*.wav")):
            name = f"samples/{path.parent.name}/{path.name}"
            if name not in self.done:
                self.attempt.store.upload(path, f"{self.attempt.prefix}/{name}")
                self.done.add(name)

    def keep_compiled(self, key: str) -> None:
        """From now on what the trainer compiles is shipped, sealed with this key; what is there already is known."""
        self.keeper = Keeper(self.attempt, self.folder, key)

    def ship_compiled(self) -> None:
        """Ships what the trainer has compiled."""
        if self.keeper:
            self.keeper.ship(self.progress_shipped)

    def ship_wandb(self, until: float) -> int:
        """Ships what wandb has kept in offline mode, once it has ended, for `wandb sync`; its rows before its audio.

        Returns how many files were left out because a moment of the monotonic clock had come.
        """
        kept = [path for path in (self.folder / "wandb").glob("offline-run-*/**/*") if path.is_file()]
        names = [path.relative_to(self.folder).as_posix() for path in kept]
        wanted = sorted(name for name in names if name.endswith(".wandb") or "/files/" in name)
        wanted.sort(key=lambda name: not name.endswith(".wandb"))
        for done, name in enumerate(wanted):
            if time.monotonic() > until:
                return len(wanted) - done
            self.attempt.store.upload(self.folder / name, f"{self.attempt.prefix}/{name}")
        return 0

    def _ship(self, kind: Literal["metrics", "log"], tail: Tail, data: bytes) -> None:
        if len(data) <= tail.size:
            return
        if tail.sequence is None:
            # An agent that was started again in its pod goes on behind its predecessor.
            tail.sequence = self.attempt.last_sequence(kind) + 1
        self.attempt.add_segment(kind, tail.sequence, data, tail.size)
        tail.shipped(len(data))


EXCEPTION = re.compile(r"(\[rank\d+\]:\s*)?[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b.*:")
"""The line of a traceback that names the exception; torchrun puts the rank before it."""


def last_error(log: Path) -> str:
    """The trainer's last ``error:`` line, else the last line that names an exception, else the last of its log.

    Behind an exception's line may stand advice: torch adds four lines to every error of CUDA.
    """
    told, raised, last = "", "", ""
    try:
        with log.open(errors="replace") as file:
            for line in file:
                last = line.strip() or last
                if last.startswith("error:"):
                    told = last
                elif EXCEPTION.match(line):
                    raised = last
    except FileNotFoundError:
        return ""
    return (told or raised or last)[:500]
