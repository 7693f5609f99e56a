"""codecjob reconcile."""

import time

import click

from infra.pods import PROVIDERS, open_provider
from job import speech
from job.cli.options import json_option, store_option
from job.cli.output import BAD, BAD_AND_STOPPED, BAD_NOT_STOPPED, CANNOT_TELL, json_text
from job.record.find import open_existing_store
from job.record.no_answer import NO_ANSWER
from job.run.launch import CLIENT
from job.watch import reconcile
from job.watch.heartbeat import StoreClock
from job.watch.reconcile import Entry, Result, Settled

CLOCK = "reconcile"
EXIT_CODES: dict[Result, int] = {
    "good": 0,
    "bad": BAD,
    "stopped": BAD_AND_STOPPED,
    "not confirmed": BAD_NOT_STOPPED,
    "cannot tell": CANNOT_TELL,
}
WORST_FIRST: tuple[Result, ...] = ("not confirmed", "cannot tell", "bad", "stopped", "good")


@click.command("reconcile")
@click.option("--terminate", is_flag=True, help="End the pods that no record owns, and prove that billing is off.")
@store_option
@json_option
def command(terminate: bool, store: str | None, as_json: bool) -> None:
    """Compare what the providers bill with what the records say, and set the records right.

    tracked: the record owns the pod. adopted: its client died before the claim, which is written now. orphaned: no
    record owns it; ended with --terminate. vanished: the record's pod is gone, and its outcome is written now. foreign:
    of another store, never touched.

    Exit code: 0 nothing is billed that no record owns, 20 orphans left alone, 21 orphans ended with billing off, 22 not
    confirmed, 3 cannot tell.

    \b
    Examples:
      codecjob reconcile
      codecjob reconcile --terminate --json
    """
    opened = open_existing_store(store)
    by_provider = reconcile.runs_by_provider(opened)
    clock = StoreClock(opened, CLOCK) if terminate else time.time
    settled: list[Settled] = []
    troubles: dict[str, str] = {}
    for name in dict.fromkeys([*by_provider, *PROVIDERS]):
        run_ids = by_provider.get(name, [])
        try:
            settled += reconcile.settle(opened, open_provider(name), run_ids, terminate, clock, CLIENT)
        except NO_ANSWER as error:
            if run_ids:  # a provider that no run names need not be set up
                troubles[name] = str(error)
    results = {each.result for each in settled} | ({"cannot tell"} if troubles else set())
    code = EXIT_CODES[next((result for result in WORST_FIRST if result in results), "good")]
    entries = [each.entry for each in settled]
    if as_json:
        found = [entry.as_dict() for entry in entries]
        speech.say(json_text({"exit_code": code, "entries": found, "no_answer": troubles}))
    else:
        _print(entries, troubles)
    raise SystemExit(code)


def _print(entries: list[Entry], troubles: dict[str, str]) -> None:
    for entry in entries:
        price = f", {entry.usd_per_hour:.2f} USD/h" if entry.usd_per_hour else ""
        speech.say(f"{entry.kind:<9} {entry.provider} pod {entry.pod_id} ({entry.run_id}{price}): {entry.reason}")
    for name, trouble in troubles.items():
        speech.tell(f"provider {name}: cannot tell: {trouble}")
    if not entries and not troubles:
        speech.say("nothing is billed, and no run waits for a pod")
