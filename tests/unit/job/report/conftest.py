"""A record written by the record's own code, of a run that nobody has trained."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from infra.store import open_store
from job.record.documents import Claim, Intent, Outcome, Submission
from job.record.run import Run

RUN_ID = "speech-20250102-030405-00ff"
SPEC = {
    "name": "speech",
    "data": "clips",
    "provider": "local",
    "train": {"num_epochs": 4},
    "checklist": {"min_steps": 10},
}
NOISE = np.random.default_rng(0).normal(0, 0.1, 8000)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run that has been submitted and no more, on a machine with a home of its own."""
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECJOB_STORE", raising=False)
    run = Run(open_store(str(tmp_path / "home" / "store")), RUN_ID)
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec=SPEC))
    return run


AddAttempt = Callable[..., None]


@pytest.fixture
def add_attempt(run: Run) -> AddAttempt:
    """add_attempt(number, rows, outcome): an attempt with a pod and these rows."""

    def add(number: int, rows: Sequence[dict[str, Any]], outcome: str | None = "succeeded") -> None:
        attempt = run.attempt(number)
        at = 1000.0 * number
        attempt.write_once("intent.json", Intent(launch_id="a", pod_name="b", deadline=at + 9e4, time=at))
        attempt.write_once("claim.json", Claim(launch_id="a", pod_id="p", price_per_hour=0.5, gpu="L4", time=at))
        attempt.note("launched", "client", pod="p")
        if rows:
            attempt.add_segment("metrics", 1, "".join(json.dumps(row) + "\n" for row in rows).encode())
        if outcome is not None:
            document = {"outcome": outcome, "reason": "it was time", "by": "agent", "time": at + 720}
            attempt.write_once("outcome.json", Outcome.model_validate(document))

    return add


@pytest.fixture
def add_sample(run: Run) -> Callable[..., None]:
    """add_sample(attempt, epoch, number, kind, samples): a wav as the trainer writes it."""

    def add(attempt: int, epoch: int, number: int, kind: str, samples: Any = NOISE) -> None:
        wav = io.BytesIO()
        soundfile.write(wav, samples, 8000, format="WAV", subtype="PCM_16")
        run.store.put(f"{run.attempt(attempt).prefix}/samples/{epoch:04d}/{number}-{kind}.wav", wav.getvalue())

    return add
