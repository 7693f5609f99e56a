"""What the trainer says it would do with a spec's flags, asked through its command line before anything starts."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from job.errors import CannotTellError, UsageError

TIMEOUT_SECONDS = 60.0


class TrainerPlan(BaseModel):
    """The answer of `codec plan`."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    config: Mapping[str, Any]
    """Resolved, keyed by flag."""
    hop: int
    bitrate_kbps: float
    parameters: int
    checkpoint_bytes: int


def ask_trainer(flags: Sequence[str]) -> TrainerPlan:
    """Resolves the flags of a spec. Needs no torch.

    Raises:
        UsageError: the trainer refuses the flags.
        CannotTellError: it does not answer.
    """
    command = [sys.executable, "-P", "-m", "codec", "plan", *flags]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise CannotTellError(f"codec plan gave no answer in {TIMEOUT_SECONDS:.0f} s: try again") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise UsageError(f"the trainer refuses its settings: {said.removeprefix('error: ')}")
    try:
        return TrainerPlan.model_validate_json(done.stdout)
    except ValidationError as error:
        raise UsageError("the trainer's plan cannot be read: install codecjob again") from error
