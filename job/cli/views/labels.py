"""The words for one fact of a run, as short as a column of a table wants them."""

from rich.text import Text

from job.cli.verdict_text import COLOURS
from job.run.state import RunState
from job.verdict.rows import Row

STATE_COLOURS = {"succeeded": "green", "aborted": "red", "failed": "red", "lost": "red", "unreadable": "red"}
BILLING_COLOURS = {"on": "bold cyan", "unknown": "yellow"}
NOTHING = "-"


def epochs(state: RunState) -> str:
    """Such as 3/100."""
    if state.progress is None:
        return NOTHING
    planned = state.planned_epochs()
    return f"{state.progress.epoch}/{planned}" if planned else str(state.progress.epoch)


def verdict(state: RunState) -> Text:
    """GOOD, BAD or UNDECIDED; nothing before there is anything to judge."""
    if not state.rows and not state.verdict.signs:
        return Text(NOTHING)
    return Text(state.verdict.verdict.upper(), style=COLOURS[state.verdict.verdict])


def usd(amount: float | None) -> str:
    """Such as 0.42; small amounts are not made nothing of."""
    if amount is None:
        return NOTHING
    return f"{amount:.2f}" if amount == 0 or amount >= 0.01 else f"{amount:.4f}"


def price(state: RunState) -> str:
    """USD an hour, while it may be paid."""
    return usd(state.usd_per_hour) if state.billing != "off" else NOTHING


def left(state: RunState) -> str:
    """Time that training takes yet."""
    return NOTHING if state.seconds_left is None else short(state.seconds_left)


def gpu(state: RunState) -> str:
    """Without the maker's name, which says nothing that the model does not."""
    return (state.gpu or NOTHING).replace("NVIDIA ", "").replace("GeForce ", "")


def short(seconds: float) -> str:
    """Such as 45s, 12m, 2.1h, 3.2d."""
    if seconds < 90:
        return f"{seconds:.0f}s"
    if seconds < 5400:
        return f"{seconds / 60:.0f}m"
    return f"{seconds / 3600:.1f}h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f}d"


def metric(row: Row | None, name: str) -> float | None:
    """A value of a row that may not be there."""
    return row.get(name) if row else None
