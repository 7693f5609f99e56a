"""`submit --dry-run`: the requests that a start would send, made by the code that sends them."""

import shlex
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import click

from infra.pods import LaunchRequest, Provider
from job.checks.preflight.preflight import Report
from job.cli.output import print_json
from job.cli.plan import Plan
from job.cli.plan import show as show_plan
from job.run.launch import Launch
from job.run.store_access import shown


def show(plan: Plan, planned: Launch, provider: Provider, dataset_id: str, report: Report, *, as_json: bool) -> None:
    """Prints plan and requests; secrets are replaced."""
    requests = [replace(request, env=shown(request.env)) for request in planned.requests]
    previews = [provider.preview(request) for request in requests]
    if as_json:
        print_json(_document(plan, requests, previews, dataset_id, report))
        return
    show_plan(plan)
    click.echo(f"would make dataset {dataset_id}")
    click.echo(f"would start {requests[0].name} on provider {plan.spec.provider} by")
    print_json(previews[0])
    if others := len(previews) - 1:
        click.echo(f"and {others} more, each only if there was no room for the one before: --json has them all")
    click.echo(f"with, in the pod's environment, {_variables(requests[0])}")
    click.echo(
        f"which trains with {shlex.join([*plan.spec.train.flags(), *plan.spec.wandb.flags()]) or 'the defaults'}"
    )


def _variables(request: LaunchRequest) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(request.env.items()))


def _document(
    plan: Plan,
    requests: Sequence[LaunchRequest],
    previews: list[dict[str, Any]],
    dataset_id: str,
    report: Report,
) -> dict[str, Any]:
    first = requests[0]
    return {
        "plan": plan.as_dict(),
        "spec": plan.spec.model_dump(mode="json"),
        "store": plan.store,
        "dataset": dataset_id,
        "preflight": report.as_dict(),
        "request": {
            "name": first.name,
            "command": list(first.command),
            "env": dict(first.env),
            "machine": asdict(first.machine),
        },
        "requests": previews,
        "candidates": [
            {**asdict(candidate.offer), "usd_per_hour": candidate.price_per_hour}
            for candidate in plan.choice.candidates
        ],
    }
