"""The last word about an attempt in Weights & Biases: its verdict and outcome, and an alert where it was aborted.

The agent gives it, when the trainer is gone: what the trainer's own client has said is then all there is, also where it
was killed or hung. A process of its own opens the same run once more, so that whatever a third party's client or its
server does, the pod ends in time. ``python -m job.pod.wandb_summary`` is that process; the word comes on its stdin.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from infra.store import StoreError
from job.pod.shipper import Shipper
from job.record.documents import Outcome
from job.run.wandb_access import run_env
from job.spec.model import JobSpec
from job.verdict.signs import Verdict

SECONDS = 45.0
"""What the process gets, from its start; wandb itself takes five to be loaded."""
START_SECONDS, FINISH_SECONDS = 20, 15
NOT_TOLD = "wandb was not told how the attempt ended"
TAG = "verdict:"
WELL = ("succeeded", "stopped")
MOST_CHARACTERS = 1000
"""Of a text."""


class LastWord:
    """The process that gives it, from its start on. What goes wrong in it is a line of the log."""

    def __init__(self, spec: JobSpec, run_id: str, folder: Path, log: Path, told: dict[str, Any]) -> None:
        # Files, not pipes: what wandb starts beside itself would hold those open.
        with tempfile.TemporaryFile("w+") as question, log.open("ab") as answer:
            json.dump(told, question)
            question.seek(0)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "job.pod.wandb_summary", str(spec.wandb.mode), str(folder)],
                stdin=question,
                stdout=answer,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONSAFEPATH": "1", **run_env(spec, run_id)},
            )
        self._killing_at = time.monotonic() + SECONDS

    def end(self, until: float, shipper: Shipper, say: Callable[[str], None]) -> None:
        """Waits for it, until a moment of the monotonic clock at most, then brings an offline run into the record."""
        try:
            self._process.wait(max(min(until, self._killing_at) - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            say(f"{NOT_TOLD}: no answer in time")
        try:
            left_out = shipper.ship_wandb(until)
        except StoreError as error:
            say(f"an offline run of wandb cannot be uploaded: {error}")
        else:
            if left_out:
                say(f"{left_out} files of an offline run of wandb were not uploaded in time")


def word(spec: JobSpec, attempt: int, verdict: Verdict | None, outcome: Outcome) -> dict[str, Any]:
    """What is to be said, as JSON: config, summary, verdict, alert, and whether the attempt went well."""
    summary: dict[str, Any] = {
        "outcome": outcome.outcome,
        "cause": outcome.cause,
        "reason": outcome.reason,
        "attempt": attempt,
        "verdict": verdict.verdict.value if verdict else None,
        "verdict_summary": verdict.summary if verdict else None,
    }
    signs = verdict.as_dict()["signs"] if verdict else []
    summary |= {f"verdict_{sign['sign']}": f"{sign['state']}: {sign['message']}" for sign in signs}
    return {
        "config": {
            "job": {"name": spec.name, "provider": spec.provider, "checklist": spec.checklist.model_dump(mode="json")}
        },
        "summary": {key: value for key, value in summary.items() if value is not None},
        "verdict": verdict.verdict.value if verdict else None,
        "alert": outcome.reason[:MOST_CHARACTERS] if outcome.outcome == "aborted" else None,
        "well": outcome.outcome in WELL,
    }


def say(told: dict[str, Any], mode: str, folder: str) -> None:
    """Opens the run that the environment names and writes the word into it. Raises whatever wandb raises."""
    import wandb

    if mode == "online" and not wandb.login(prompt=False, verify=False):
        raise ValueError("no API key")
    run = wandb.init(
        mode=cast("Any", mode),
        dir=folder,
        settings=wandb.Settings(
            init_timeout=START_SECONDS,
            finish_timeout=FINISH_SECONDS,
            finish_timeout_raises=True,
            console="off",
            silent=True,
            disable_git=True,
            x_disable_stats=True,
        ),
    )
    run.config.update(told["config"], allow_val_change=True)  # type: ignore[no-untyped-call]
    run.summary.update(told["summary"])
    if told["verdict"]:
        run.tags = (*(tag for tag in run.tags or () if not tag.startswith(TAG)), f"{TAG}{told['verdict']}")
    if told["alert"]:
        run.alert(title=f"{os.environ['WANDB_RUN_ID']} aborted", text=told["alert"], level="ERROR")
    run.finish(exit_code=0 if told["well"] else 1)


def main() -> int:
    """Says what stands on stdin; what goes wrong is a line on stdout."""
    signal.alarm(int(SECONDS) + 5)  # should the agent be gone by then
    told = json.loads(sys.stdin.read())
    try:
        say(told, *sys.argv[1:])
    except Exception as error:  # noqa: BLE001 - whatever a third party's client does is one line
        said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        sys.stdout.write(f"{NOT_TOLD}: {said}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
