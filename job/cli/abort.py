"""codecjob abort-on-bad-signs."""

import sys
import time
from collections.abc import Iterable

import click

from infra.pods import ProviderError, open_provider
from infra.store import Store, StoreError
from job import speech
from job.cli.options import any_run_argument, json_option, store_option
from job.cli.orphan_notice import Notice
from job.cli.output import BAD, BAD_AND_STOPPED, BAD_NOT_STOPPED, CANNOT_TELL, GOOD, UNDECIDED, json_text
from job.cli.verdict_text import print_verdict
from job.errors import CannotTellError, UsageError
from job.record.find import open_existing_store
from job.record.retention import Tidier
from job.record.run import Run
from job.record.run_index import locate
from job.watch.heartbeat import ALL, Clock, StoreClock
from job.watch.notify import Notifier
from job.watch.notify_all import Everyone, tell
from job.watch.watchdog import WATCHDOG, Report, Result, look_after, look_after_all

POLL_SECONDS = 2.0
POLL_ALL_SECONDS = 15.0
EXIT_CODES: dict[Result, int] = {
    "good": GOOD,
    "undecided": UNDECIDED,
    "bad": BAD,
    "stopped": BAD_AND_STOPPED,
    "not confirmed": BAD_NOT_STOPPED,
    "cannot tell": CANNOT_TELL,
}
# What needs a person most comes first.
WORST_FIRST: tuple[Result, ...] = ("not confirmed", "cannot tell", "bad", "stopped", "undecided", "good")


@click.command("abort-on-bad-signs")
@any_run_argument
@click.option("--all", "every", is_flag=True, help="Every run of the store that has not ended, and pods without a run.")
@click.option("--watch", is_flag=True, help="Go on judging until the run has ended; with --all until interrupted.")
@click.option("--dry-run", is_flag=True, help="Judge and tell, stop and write nothing.")
@store_option
@json_option
def command(run: str | None, every: bool, watch: bool, dry_run: bool, store: str | None, as_json: bool) -> None:
    """Judge a run by its checklist and stop it if the verdict is BAD, it is dead, or its time or money is up.

    The agent inside the pod does the same by itself; this is the second pair of eyes, from any machine that reaches the
    store and the provider. It asks the agent first, terminates the pod after a grace, and is content only when billing
    is off. A store or a provider that gives no answer ends nothing.

    Exit code: 0 good, 10 undecided, 20 bad and left alone (--dry-run), 21 bad and stopped with billing off, 22 bad and
    the stop is not confirmed, 3 cannot tell. With --all the worst, in the order 22, 3, 20, 21, 10, 0.

    \b
    Examples:
      codecjob abort-on-bad-signs @last --watch
      codecjob abort-on-bad-signs quickstart --dry-run --json
      codecjob abort-on-bad-signs --all
    """
    if every == (run is not None):
        raise UsageError("name one RUN, or give --all for every run that has not ended")
    if run is None:
        _watch_all(open_existing_store(store), watch, dry_run, as_json)
    else:
        _watch_one(run, store, watch, dry_run, as_json)


def _watch_one(wanted: str, where: str | None, watch: bool, dry_run: bool, as_json: bool) -> None:
    try:
        run = locate(wanted, where)
        provider = open_provider(run.spec().provider)
    except (StoreError, ProviderError) as error:
        raise CannotTellError(str(error)) from error
    notice = Notice(run.store, provider)
    clock = _clock(run.store, run.run_id, dry_run)
    tidier = Tidier(WATCHDOG, speech.tell)
    notifier = Notifier(run.store, speech.tell)
    told = ""
    while True:
        report = look_after(run, provider, clock, not dry_run, speech.tell)
        if not dry_run:
            try:
                tidier.tidy(run, report.ended)
                tell(notifier, run, provider, report.ended)
            except Exception as error:  # noqa: BLE001 - what is only told of must not end the watching
                speech.tell(f"not tidied or told, by a defect of codecjob: {error!r}")
        over = report.ended or report.result in ("bad", "stopped")
        if not watch or over:
            break
        if report.result in ("cannot tell", "not confirmed") and report.said != told:
            speech.tell(report.said)
        told = report.said
        time.sleep(POLL_SECONDS)
    code = EXIT_CODES[report.result]
    notice.show()
    if as_json:
        speech.say(json_text({"exit_code": code, **report.as_dict()}))
    else:
        speech.say(_line(report))
        if report.verdict:
            print_verdict(report.verdict, speech.quiet(sys.stdout))
    notifier.close()
    raise SystemExit(code)


def _watch_all(store: Store, watch: bool, dry_run: bool, as_json: bool) -> None:
    clock = _clock(store, ALL, dry_run)
    tidier = Tidier(WATCHDOG, speech.tell)
    notifier = Notifier(store, speech.tell)
    everyone = Everyone(store, notifier)
    told: dict[str, str] = {}
    ended: dict[str, str] = {}
    if watch:
        speech.tell(f"watching every run in {store.url}; Ctrl-C ends that, and nothing else")
    while True:
        try:
            reports = look_after_all(store, clock, not dry_run, speech.tell, ended)
        except (StoreError, CannotTellError) as error:
            reports = [Report("store", "cannot tell", f"cannot tell: {error}")]
        if not dry_run:
            try:
                _tidy_all(tidier, store, reports)
                everyone.tell(reports)
            except Exception as error:  # noqa: BLE001 - what is only told of must not end the watching
                speech.tell(f"not tidied or told, by a defect of codecjob: {error!r}")
        if not watch:
            break
        for report in reports:
            if told.get(report.run_id) != _line(report):
                speech.say(_line(report))
            told[report.run_id] = _line(report)
        time.sleep(POLL_ALL_SECONDS)
    if as_json:
        speech.say(json_text([{"exit_code": EXIT_CODES[report.result], **report.as_dict()} for report in reports]))
    elif not reports:
        speech.say("no run goes on, and nothing is billed")
    else:
        for report in reports:
            speech.say(_line(report))
    notifier.close()
    found = {report.result for report in reports}
    raise SystemExit(EXIT_CODES[next((result for result in WORST_FIRST if result in found), "good")])


def _tidy_all(tidier: Tidier, store: Store, reports: Iterable[Report]) -> None:
    for report in reports:
        if report.verdict:
            tidier.tidy(Run(store, report.run_id), report.ended)


def _clock(store: Store, name: str, dry_run: bool) -> Clock:
    return time.time if dry_run else StoreClock(store, name)


def _line(report: Report) -> str:
    kind = f" ({report.finding.kind})" if report.finding else ""
    return f"{report.run_id}: {report.result.upper()}{kind}: {report.said}"
