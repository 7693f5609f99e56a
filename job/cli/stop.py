"""codecjob stop."""

import click

from infra.pods import open_provider
from job import speech
from job.cli.options import json_option, run_argument, store_option
from job.cli.output import CANNOT_TELL, json_text
from job.record.documents import Outcome
from job.record.no_answer import RECORD_AWAY
from job.record.run_index import locate
from job.run.launch import CLIENT
from job.run.termination import NotRecordedError, end
from job.watch import stop_without_record


@click.command("stop")
@run_argument
@store_option
@json_option
def command(run: str, store: str | None, as_json: bool) -> None:
    """Stop a run: the agent saves a checkpoint and uploads it, the pod is terminated, billing is proven off.

    A stopped run can be resumed. While the store does not answer, the agent cannot be asked: the run's pods are then
    terminated by their provider alone, and its record stays as it is. Give the run's whole name for that, and stop it
    once more later: this writes the outcome.

    Exit code: 0 ended and billing off, 3 the provider does not confirm it.

    \b
    Examples:
      codecjob stop @last
      codecjob stop quickstart --json
    """
    wanted, billing_off, outcome = run, True, None
    try:
        found = locate(run, store)
        wanted = found.run_id
        provider = open_provider(found.spec().provider)
        for attempt in found.attempts():
            ended = end(provider, attempt, "stop requested", "stopped by hand", CLIENT, speech.tell)
            billing_off, outcome = billing_off and ended.billing_off, ended.outcome
    except RECORD_AWAY as error:
        wanted, billing_off = _stop_unrecorded(wanted, store, error)
        _tell(wanted, None, billing_off, recorded=False, as_json=as_json)
    else:
        _tell(wanted, outcome, billing_off, recorded=True, as_json=as_json)
    raise SystemExit(0 if billing_off else CANNOT_TELL)


def _stop_unrecorded(wanted: str, store: str | None, trouble: Exception) -> tuple[str, bool]:
    """Ends the run's pods without its record; returns its name and whether billing is off.

    Raises ``trouble`` where no provider lists a pod of it, since then nothing is known at all.
    """
    places = stop_without_record.stores(store)
    seen = stop_without_record.look(places)
    if seen.pods:
        speech.tell(f"the record gives no answer: {trouble}")
    run_id = seen.run(wanted, {known for runs in places.values() for known in runs})
    if run_id is not None:
        return run_id, stop_without_record.end(seen, run_id, speech.tell)
    if isinstance(trouble, NotRecordedError):
        return wanted, True
    for name, why in seen.silent.items():
        speech.tell(f"provider {name}: no answer: {why}")
    speech.tell(f"no provider that answers lists a pod of {wanted}")
    raise trouble


def _tell(run_id: str, outcome: Outcome | None, billing_off: bool, *, recorded: bool, as_json: bool) -> None:
    billing = "off" if billing_off else "on"
    if as_json:
        shown = outcome.model_dump() if outcome else None
        speech.say(json_text({"run": run_id, "outcome": shown, "billing": billing, "recorded": recorded}))
        return
    said = f"{outcome.outcome}: {outcome.reason}" if outcome else "not ended"
    if billing_off and not recorded:
        said = "has no pod any more; its record still says that it runs"
    speech.say(f"{run_id} {said}; billing {billing}")
    if billing_off and not recorded:
        speech.say(f"once the store answers: `codecjob stop {run_id}` again writes the outcome")
