"""codecjob reconcile."""

import time
from dataclasses import replace

import click

from infra.pods import PROVIDERS, Pod, Provider, ProviderError, open_provider
from infra.store import Store
from job import reconcile
from job.cli.options import json_option, store_option
from job.cli.output import BAD, BAD_AND_STOPPED, BAD_NOT_STOPPED, CANNOT_TELL, print_json
from job.home import open_default_store
from job.launch import CLIENT
from job.reconcile import NO_ANSWER, Entry, Kind
from job.watch_beat import StoreClock

CLOCK = "reconcile"


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
    opened = open_default_store(store)
    by_provider = reconcile.runs_by_provider(opened)
    entries: list[Entry] = []
    troubles: dict[str, str] = {}
    codes = {0}
    for name in dict.fromkeys([*by_provider, *PROVIDERS]):
        try:
            provider = open_provider(name)
            pods = provider.find(None)
        except ProviderError as error:
            if name in by_provider:  # one that no run names need not be set up
                troubles[name] = str(error)
            continue
        try:
            entries += _settle(opened, provider, pods, by_provider.get(name, []), terminate, codes)
        except NO_ANSWER as error:
            troubles[name] = str(error)
    if troubles:
        codes.add(CANNOT_TELL)
    if as_json:
        print_json({"entries": [entry.as_dict() for entry in entries], "no_answer": troubles})
    else:
        _print(entries, troubles)
    raise SystemExit(next(code for code in (BAD_NOT_STOPPED, CANNOT_TELL, BAD, BAD_AND_STOPPED, 0) if code in codes))


def _settle(
    store: Store, provider: Provider, pods: list[Pod], run_ids: list[str], terminate: bool, codes: set[int]
) -> list[Entry]:
    """What one provider lists, with what came of it in the reasons."""
    now = time.time()
    entries = [
        *reconcile.survey_pods(store, provider, pods, now),
        *reconcile.survey_runs(store, provider, pods, run_ids, now),
    ]
    sure: list[Entry] = []
    if terminate:
        suspects = [entry for entry in entries if entry.kind is Kind.ORPHANED]
        sure = reconcile.still_orphaned(store, provider, suspects, StoreClock(store, CLOCK)) if suspects else []
    ended = {entry.pod_id for entry in sure}
    return [_act(store, provider, entry, terminate, entry.pod_id in ended, codes) for entry in entries]


def _act(store: Store, provider: Provider, entry: Entry, terminate: bool, sure: bool, codes: set[int]) -> Entry:
    try:
        if entry.kind is Kind.ADOPTED and not reconcile.adopt(store, provider, entry, CLIENT):
            return replace(entry, kind=Kind.TRACKED, reason="has no claim and ends itself")
        if entry.kind is Kind.VANISHED and not reconcile.close_vanished(store, provider, entry, CLIENT):
            return replace(entry, kind=Kind.TRACKED, reason="is listed again")
        if entry.kind is Kind.ORPHANED and not sure:
            codes.add(CANNOT_TELL if terminate else BAD)
            return replace(entry, reason=f"{entry.reason}; not the same at every look") if terminate else entry
        if entry.kind is Kind.ORPHANED:
            confirmed = reconcile.end_orphan(store, provider, entry, CLIENT)
            codes.add(BAD_AND_STOPPED if confirmed else BAD_NOT_STOPPED)
            return replace(entry, reason=f"{entry.reason}; {'ended, billing off' if confirmed else 'still billed'}")
    except NO_ANSWER as error:
        codes.add(BAD_NOT_STOPPED if entry.kind is Kind.ORPHANED else CANNOT_TELL)
        return replace(entry, reason=f"{entry.reason}; no clear answer: {error}")
    return entry


def _print(entries: list[Entry], troubles: dict[str, str]) -> None:
    for entry in entries:
        price = f", {entry.usd_per_hour:.2f} USD/h" if entry.usd_per_hour else ""
        click.echo(f"{entry.kind:<9} {entry.provider} pod {entry.pod_id} ({entry.run_id}{price}): {entry.reason}")
    for name, trouble in troubles.items():
        click.echo(f"provider {name}: cannot tell: {trouble}", err=True)
    if not entries and not troubles:
        click.echo("nothing is billed, and no run waits for a pod")
