"""Everything a run leaves behind while it goes: rows, the beat, lines for people, wandb, checkpoints."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from codec.model import checkpoint
from codec.training.progress import Beat, Display
from codec.training.rows import RowWriter
from codec.training.state import Run
from codec.training.step import step_fields
from codec.training.step_counters import Health
from codec.training.wandb_tracker import Tracker

ROW_SECONDS = 2.0


class Recorder:
    """Records one process's part of a run: on several ranks, rank 0 does it for all."""

    def __init__(self, run: Run, rows: RowWriter, tracker: Tracker, display: Display, beat: Beat) -> None:
        self._run = run
        self._rows = rows
        self._tracker = tracker
        self._display = display
        self._beat = beat
        self._planned_steps = run.planned_steps
        self._unwritten: Sequence[Tensor] | None = None  # the latest step's values, still on the device
        self._saved_step: int | None = None  # of the newest good checkpoint
        self._start_measuring()

    def start(self, resumed_from: Path | None) -> None:
        """Write the start row. Rows of later steps that stand before it belong to work that was lost."""
        run = self._run
        self._saved_step = run.at.step if resumed_from else None
        self._write(
            "start",
            config=run.config.as_dict(),
            steps_per_epoch=run.data.train.steps_per_epoch,
            planned_steps=self._planned_steps,
            parameters=run.parameters,
            audio_seconds=run.data.seconds,
            skipped_clips=len(run.data.skipped),
            device=run.data.device.type,
            ranks=run.ranks.world,
            torch=torch.__version__,
            resumed_from=resumed_from.name if resumed_from else None,
        )

    def beat(self, phase: str) -> None:
        """Note that the loop is alive."""
        self._beat(self._run.at.step, self._run.at.epoch, phase)

    def say(self, text: str) -> None:
        """A line for people."""
        self._display.say(text)

    def step(self, values: Sequence[Tensor]) -> None:
        """Take note of a step by the values of its step_fields; a row is written only every ROW_SECONDS."""
        self.beat("training")
        self._display.advance(self._run.at.step, self._planned_steps)
        self._unwritten = values
        if time.monotonic() - self._measured_since >= ROW_SECONDS:
            self.train_row()

    def train_row(self) -> None:
        """Write the latest step's row, unless that is done. The only place where training waits for the device."""
        if self._unwritten is None:
            return
        run = self._run
        names = (*step_fields(run), *Health.FIELDS)
        numbers = torch.stack([*self._unwritten, *run.health.report()]).tolist()
        fields: dict[str, Any] = dict(zip(names, numbers, strict=True))
        fields |= {name: int(fields[name]) for name in Health.FIELDS}
        fields["lr"] = run.config.learning_rate_at(run.at.step - 1)
        fields["audio_seconds_per_second"] = self._speed()
        row = self._write("train", **fields)
        self._display.train(row, self._planned_steps)
        self._start_measuring()

    def validation(self, fields: dict[str, Any], samples: Path | None) -> dict[str, Any]:
        """Write a validation row and return it; its folder of samples, if it has one, goes to wandb."""
        row = self._write("validation", samples, **fields)
        self._display.validation(row)
        self._start_measuring()
        return row

    def save(self, snr_db: float | None) -> None:
        """Save a checkpoint, unless this very step has a good one, and remove those that are not kept."""
        run = self._run
        self.beat("saving")
        if self._saved_step != run.at.step:
            checkpoint.save(
                run.checkpoints,
                run.model,
                run.config,
                run.state(),
                step=run.at.step,
                epoch=run.at.epoch,
                snr_db=snr_db,
            )
            self._saved_step = run.at.step
        checkpoint.prune(run.checkpoints, run.config.keep_checkpoints)
        self._start_measuring()

    def _write(self, kind: str, samples: Path | None = None, /, **fields: Any) -> dict[str, Any]:
        if kind != "start":
            fields["audio_seconds"] = self._run.at.audio_seconds
        row = self._rows.write(kind, self._run.at.step, self._run.at.epoch, **fields)
        self._tracker.log(row, samples)
        return row

    def _start_measuring(self) -> None:
        self._unwritten = None
        self._measured_since = time.monotonic()
        self._measured_from = self._run.at.step

    def _speed(self) -> float:
        """Seconds of audio per second since the last row."""
        config = self._run.config
        samples = (self._run.at.step - self._measured_from) * config.batch_size * config.segment_length
        return samples / config.model.sample_rate / (time.monotonic() - self._measured_since)
