"""Records as real runs leave them: real rows under real documents in a real store. Only nobody has trained them."""

import json
from pathlib import Path
from typing import Any

from infra.store import Store
from job.record.documents import Beat, Claim, Intent, Outcome, Progress, Submission
from job.record.run import Run

ROWS = Path(__file__).parents[1] / "bench" / "verdicts" / "rows"
HOUR = 3600.0
PIECE_BYTES = 128 * 1024
NAME = "telugu-16khz"


def run_id(number: int, name: str = NAME) -> str:
    """The name of the run that was submitted as the number-th, a minute after the one before."""
    return f"{name}-202601{1 + number // 1440:02d}-{number // 60 % 24:02d}{number % 60:02d}00-{number:04x}"


def rows(name: str = "base") -> bytes:
    """A real metrics.jsonl (tests/bench/verdicts/record.py has trained it)."""
    return (ROWS / f"{name}.jsonl").read_bytes()


def add_run(store: Store, named: str, now: float, metrics: bytes = b"", **changes: Any) -> Run:
    """A run whose newest attempt began an hour ago. ``state`` is what its agent beats, ``outcome`` how it has ended."""
    spec = {"name": named.rsplit("-", 3)[0], "data": "/clips", "train": {"num_epochs": 3}, **changes.pop("spec", {})}
    run = Run(store, named)
    asked = Submission(submitted=now - HOUR, dataset="0123456789abcdef", clips=1204, seconds=11_520.0, spec=spec)
    run.create(asked)
    add_attempt(run, 1, now, metrics, **changes)
    return run


def add_attempt(run: Run, number: int, now: float, metrics: bytes = b"", **changes: Any) -> None:
    """One attempt of a run."""
    attempt, launch = run.attempt(number), f"launch-{number}"
    intent = Intent(launch_id=launch, pod_name="x", deadline=now + 23 * HOUR, time=now - HOUR)
    attempt.write_once("intent.json", intent)
    claim = {"launch_id": launch, "pod_id": f"pod-{run.run_id[-4:]}", "price_per_hour": 0.34, "time": now - HOUR}
    claim |= {"gpu": "NVIDIA GeForce RTX 4090", **changes.get("claim", {})}
    attempt.write_once("claim.json", Claim.model_validate(claim))
    attempt.note("launched", "client", pod=claim["pod_id"], provider="local", price_per_hour=claim["price_per_hour"])
    if metrics:
        for begin in range(0, len(metrics), PIECE_BYTES):
            attempt.add_segment("metrics", begin // PIECE_BYTES + 1, metrics[begin : begin + PIECE_BYTES])
        last = next(row for row in map(json.loads, reversed(metrics.splitlines())) if "epoch" in row)
        progress = Progress(step=last["step"], epoch=last["epoch"], phase="training", time=now - 2)
        attempt.write("progress.json", progress)
        key = f"{attempt.prefix}/checkpoints/{last['step']:08d}/manifest.json"
        run.store.put(key, json.dumps({"step": last["step"], "files": {}}).encode())
    attempt.write("alive.json", Beat(state=changes.get("state", "training"), time=now - changes.get("silent", 1.0)))
    if outcome := changes.get("outcome"):
        reason = changes.get("reason", "the trainer did all its epochs")
        attempt.write_once("outcome.json", Outcome(outcome=outcome, reason=reason, by="agent", time=now - 60))
        attempt.note("ended", "agent", outcome=outcome, reason=reason)
