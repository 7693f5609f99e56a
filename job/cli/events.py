"""codecjob events."""

import json
import time
from typing import Any

import click

from job.cli.options import json_option, run_argument, store_option
from job.cli.output import print_json
from job.record.run import inputs, run_events
from job.record.run_index import locate


@click.command("events")
@run_argument
@store_option
@json_option
def command(run: str, store: str | None, as_json: bool) -> None:
    """Print a run's audit trail: who decided what, when, and by what.

    \b
    Examples:
      codecjob events @last
      codecjob events quickstart --json
    """
    found = locate(run, store)
    events = run_events(found)
    if as_json:
        print_json(events)
        return
    for event in events:
        click.echo(_line(event))
    if not events:
        click.echo(f"{found.run_id} has no events yet", err=True)


def _line(event: dict[str, Any]) -> str:
    at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event["time"]))
    said = "; ".join(f"{name} {_short(value)}" for name, value in inputs(event).items() if value is not None)
    return f"{at}Z  attempt {event['attempt']}  {event['by']}: {event['what']}" + (f"  ({said})" if said else "")


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else f"{text[:200]}… (whole with --json)"
