"""What a run is doing, derived from its record and from the provider. Nothing here is stored."""

import time
from dataclasses import dataclass
from typing import Any, Literal

from infra.pods import Provider, ProviderError
from job.checklist import evaluate
from job.metrics_log import Row, collate, json_number
from job.money import Money, bills, invoice_of, reckon
from job.pace import pace
from job.record import Attempt, Outcome, Progress, Run
from job.spec import JobSpec
from job.verdict import State, Verdict

Billing = Literal["on", "off", "unknown"]
ENDED = frozenset({"succeeded", "aborted", "failed", "stopped", "expired", "lost"})


@dataclass(frozen=True)
class RunState:
    """One run at one moment."""

    run_id: str
    spec: JobSpec
    submitted: float
    attempt: int
    state: str
    billing: Billing
    progress: Progress | None
    rows: list[Row]
    verdict: Verdict
    outcome: Outcome | None
    pods: list[str]
    money: Money
    next_step: str

    def last_validation(self) -> Row | None:
        """The newest validation row that counts."""
        rows = [row for row in collate(self.rows) if row.kind == "validation"]
        return rows[-1] if rows else None

    def planned_epochs(self) -> int | None:
        """Epochs that the run was asked for, where the spec says so."""
        return self.spec.train.num_epochs

    def as_dict(self) -> dict[str, Any]:
        """The stable JSON of `codecjob status --json` (docs/reference.md)."""
        validation = self.last_validation()
        return {
            "run": self.run_id,
            "name": self.spec.name,
            "state": self.state,
            "billing": self.billing,
            "attempt": self.attempt,
            "provider": self.spec.provider,
            "pods": self.pods,
            "submitted": self.submitted,
            "epoch": self.progress.epoch if self.progress else None,
            "epochs": self.planned_epochs(),
            "step": self.progress.step if self.progress else None,
            "phase": self.progress.phase if self.progress else None,
            "metrics": {name: json_number(value) for name, value in validation.values.items()} if validation else None,
            "verdict": self.verdict.as_dict(),
            "outcome": self.outcome.model_dump() if self.outcome else None,
            "cost_usd": self.money.cost.usd,
            "money": self.money.as_dict(),
            "next": self.next_step,
        }


def look(run: Run, provider: Provider, with_invoice: bool = False) -> RunState:
    """Reads one run's record and asks the provider about its pods; ``with_invoice`` also about its bill."""
    submission, spec = run.submission(), run.spec()
    attempts = run.attempts()
    attempt = attempts[-1] if attempts else run.attempt(1)
    try:
        pods = [pod.id for pod in provider.find(run.run_id)]
        billing: Billing = "on" if pods else "off"
    except ProviderError:
        pods, billing = [], "unknown"
    # Read after the pods: a pod that is gone by now has left its last rows and its outcome before.
    outcome = attempt.outcome()
    rows = run.rows(attempts)
    state = _state(attempt, outcome, billing)
    intent = attempt.intent()
    return RunState(
        run_id=run.run_id,
        spec=spec,
        submitted=submission.submitted,
        attempt=attempt.number,
        state=state,
        billing=billing,
        progress=attempt.progress(),
        rows=rows,
        verdict=judge(rows, attempts, spec),
        outcome=outcome,
        pods=pods,
        money=reckon(
            bills(attempts, billing == "on", invoice_of(provider) if with_invoice else None),
            pace(rows),
            outcome.outcome if outcome else None,
            intent.deadline if intent else None,
            time.time(),
        ),
        next_step=_next_step(run.run_id, state),
    )


def judge(rows: list[Row], attempts: list[Attempt], spec: JobSpec) -> Verdict:
    """The verdict of a run's rows, unless its newest attempt has none yet: it may hide what condemned the last one."""
    if len(attempts) > 1 and rows and not attempts[-1].last_sequence("metrics"):
        return Verdict(State.UNDECIDED, (), f"attempt {attempts[-1].number} has not begun to train")
    return evaluate(rows, spec.checklist)


def _state(attempt: Attempt, outcome: Outcome | None, billing: Billing) -> str:
    # Nothing is reported as ended while the provider still lists the pod.
    if outcome is not None:
        return "stopping" if billing == "on" else outcome.outcome
    beat = attempt.beat()
    if billing == "off" and attempt.claim() is not None:
        return "lost"
    if attempt.stop_request() is not None:
        return "stopping"
    if beat is None:
        return "starting" if attempt.claim() else "submitted"
    return beat.state


def _next_step(run_id: str, state: str) -> str:
    if state in ("failed", "lost", "stopped", "expired", "submitted"):
        return f"codecjob logs {run_id}; codecjob resume {run_id}"
    if state == "aborted":
        return f"codecjob events {run_id}; change the spec and submit again"
    if state == "succeeded":
        return f"codecjob pull {run_id} DIR"
    return f"codecjob logs {run_id} -f"
