"""One run in detail."""

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from job.cli.output import duration, number
from job.cli.verdict_text import Signs, headline
from job.cli.views import labels
from job.cli.views.labels import usd
from job.cli.views.spark import Sparkline
from job.run.cost import Amount
from job.run.seen import AttemptFacts
from job.run.state import ENDED, RunState
from job.verdict.forecast_text import in_words
from job.watch.run_detail import Details, said

NARROW = 60
LONGEST = 160
"""Characters of an event's reason; `codecjob events` has the rest."""


class RunDetails:
    """What it is, what it costs, whether it is any good, what has happened, what to do: in this order."""

    def __init__(self, state: RunState, details: Details) -> None:
        self.state = state
        self.details = details

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Labels stand beside what they name; on a telephone above it, unless both fit in a line."""
        yield Text(self.state.run_id, style="bold", overflow="fold")
        if options.max_width < NARROW:
            yield from self._narrow(options.max_width)
            return
        facts = Table.grid(padding=(0, 1))
        facts.add_column(style="dim", no_wrap=True)
        facts.add_column(overflow="fold")
        for label, fact in _facts(self.state, self.details):
            facts.add_row(label, fact)
        yield facts

    def _narrow(self, width: int) -> Iterator[RenderableType]:
        for label, fact in _facts(self.state, self.details):
            if isinstance(fact, Text) and len(label) + 1 + fact.cell_len <= width:
                yield Text.assemble((label, "dim"), " ", fact)
            else:
                yield Text(label, style="dim")
                yield Padding(fact, (0, 0, 0, 2), expand=False)


def _facts(state: RunState, details: Details) -> Iterator[tuple[str, RenderableType]]:
    style = labels.STATE_COLOURS.get(state.state, "")
    yield "state", Text.assemble((state.state, style), f": {state.happened()}")
    yield "next", Text(state.next_step)
    yield "billing", _billing(state)
    yield from _money(state)
    if state.pod:
        yield "pod", Text(", ".join(filter(None, (state.pod, state.gpu, f"provider {state.spec.provider}"))))
    if state.enter:
        yield "shell", Text(state.enter)
    yield "data", _data(details)
    yield "submitted", Text(f"{_ago(state, state.submitted)} ago")
    if state.progress:
        since = f", {_ago(state, state.progress.time)} ago" if state.state not in ENDED else ""
        doing = f"epoch {labels.epochs(state)}, step {state.progress.step}, {state.progress.phase}{since}"
        yield "progress", Text(doing)
    yield "checkpoint", _checkpoint(state, details)
    yield "verdict", Group(headline(state.verdict), Signs(state.verdict.signs))
    if state.forecast:
        yield "forecast", Text(in_words(state.forecast, state.to_good))
    for label, name, digits, unit in (("SNR", "snr_db", 1, " dB"), ("loss", "loss", 3, "")):
        if series := details.series(name):
            yield label, Sparkline(series, digits, unit)
    row = state.last_validation()
    if row:
        yield (
            "validation",
            Text(
                f"epoch {row.epoch}: loss {number(row.get('loss'), 3)}, SNR {number(row.get('snr_db'), 1)} dB, "
                f"amplitude {number(row.get('amplitude'))}, correlation {number(row.get('correlation'))}"
            ),
        )
    if len(details.attempts) > 1:
        yield "attempts", Group(*(_attempt(attempt) for attempt in details.attempts))
    if details.events or details.trouble:
        yield "events", Group(*_events(state, details))


def _billing(state: RunState) -> Text:
    price = f", {usd(state.usd_per_hour)} USD/h" if state.usd_per_hour and state.billing != "off" else ""
    trouble = f": {state.trouble}" if state.trouble else ""
    return Text.assemble((state.billing, labels.BILLING_COLOURS.get(state.billing, "")), price, trouble)


def _money(state: RunState) -> Iterator[tuple[str, Text]]:
    money = state.money
    yield "cost", _amount(money.cost)
    if state.state not in ENDED:
        yield "to the end", _amount(money.to_the_end)
        if state.seconds_left is not None:
            yield "time left", Text(f"{duration(state.seconds_left)} at the speed measured")
        if state.deadline is not None:
            yield "deadline", Text(f"in {duration(max(state.deadline - state.read, 0.0))} (max_hours)")
        if state.shortfall:
            yield "too slow", Text(state.shortfall, "yellow")
    if money.saved.usd:
        yield "saved", _amount(money.saved)


def _amount(amount: Amount) -> Text:
    return Text(f"{usd(amount.usd)} USD ({amount.basis})" if amount.usd is not None else f"- ({amount.basis})")


def _data(details: Details) -> Text:
    data = details.data
    clips = "" if data.clips is None else f", {data.clips:,} clips"
    hours = "" if data.hours is None else f", {duration(data.hours * 3600)}"
    return Text(f"dataset {data.dataset}{clips}{hours}")


def _checkpoint(state: RunState, details: Details) -> Text:
    ref = details.checkpoint
    if ref is None:
        return Text("none yet" if state.state not in ENDED else "none")
    epoch = "" if details.checkpoint_epoch is None else f"epoch {details.checkpoint_epoch}, "
    return Text(f"{epoch}step {ref.step}, written {_ago(state, ref.written)} ago")


def _attempt(attempt: AttemptFacts) -> Text:
    claim, outcome = attempt.claim, attempt.outcome
    parts = [outcome.outcome if outcome else "goes on", *((claim.pod_id, claim.gpu) if claim else ("no pod",))]
    if claim is not None and outcome is not None:
        parts.append(duration(outcome.time - claim.time))
    reason = f": {outcome.reason}" if outcome and outcome.reason else ""
    return Text(f"{attempt.number}  {', '.join(filter(None, parts))}{reason}")


def _events(state: RunState, details: Details) -> Iterator[Text]:
    if details.trouble:
        yield Text(details.trouble, style="red")
    several = state.attempt > 1
    for event in details.events:
        at = datetime.fromtimestamp(event["time"], UTC).strftime("%m-%d %H:%M:%SZ")
        attempt = f" attempt {event['attempt']}" if several else ""
        why = said(event)
        why = f": {why if len(why) <= LONGEST else f'{why[:LONGEST]}...'}" if why else ""
        yield Text.assemble((f"{at}{attempt}", "dim"), f" {event['by']}: {event['what']}{why}")


def _ago(state: RunState, since: float) -> str:
    return duration(max(state.read - since, 0.0))
