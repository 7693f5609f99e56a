"""Read a metrics file of any known format: rows, and a report of what was recognised and what was left out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from job.verdict.readers.columns import Plan, plan
from job.verdict.readers.corrections import correct
from job.verdict.readers.interpret import Values, interpret
from job.verdict.readers.recognise import HEAD_LINES, recognise, records_of
from job.verdict.readers.records import Record
from job.verdict.readers.vocabulary import SHARED
from job.verdict.row_table import RowTable
from job.verdict.rows import KINDS


@dataclass
class Reading:
    """What a file holds."""

    form: str
    """Such as ``JSON lines``."""
    table: RowTable = field(default_factory=RowTable)
    recognised: dict[str, str] = field(default_factory=dict)
    """Column -> the metric that it was read as, such as ``val/snr`` -> ``snr_db (validation)``; own names left out."""
    left_out: dict[str, None] = field(default_factory=dict)
    """Columns that mean nothing known, in their order."""
    columns: set[str] = field(default_factory=set)
    """Every column of the file."""
    unreadable: list[int] = field(default_factory=list)
    """Numbers of the lines that cannot be read, or have a figure that cannot: the first ones."""
    unreadable_count: int = 0
    notes: list[str] = field(default_factory=list)
    """What was changed, in words."""

    def count(self, kind: str) -> int:
        """How many rows of a kind there are."""
        return self.table.count(kind)


def read(lines: Iterable[str], mapped: Mapping[str, str] | None = None) -> Reading:
    """Read a file.

    Args:
        lines: with their line ends, decoded.
        mapped: column -> our name, for columns that would not be recognised.

    Raises:
        UnreadableFileError: the file has a known format and cannot be read; the message lacks the file's name.
    """
    lines = iter(lines)
    head = list(islice(lines, HEAD_LINES))
    form, delimiter = recognise(head)
    builder = _Builder(Reading(form), dict(mapped or {}))
    for record in records_of(form, delimiter, chain(head, lines), builder.mapped):
        builder.see(record)
    builder.flush()
    correct(builder.reading.table, builder.reading.notes, form)
    return builder.reading


class _Builder:
    """Makes rows of records, in their order."""

    KEPT_LINES = 20

    def __init__(self, reading: Reading, mapped: dict[str, str]) -> None:
        self.reading = reading
        self.mapped = mapped
        self._plans: dict[tuple[str, ...], Plan] = {}
        self._attempt = 1
        self._starts: list[dict[str, Any]] = []
        # Rows of one step, which a trainer may write in several records.
        self._pending: dict[str, Values] = {}
        self._at: tuple[float | None, float | None] | None = None

    def see(self, record: Record) -> None:
        """Read one record."""
        fields = record.fields
        if fields is None:
            self._unreadable(record.line)
            return
        if fields.get("kind") == "start":
            if "time" in fields and fields in self._starts:
                return
            self.flush()
            self._attempt = 1 + len(self._starts)
            self._starts.append(fields)
        names = tuple(fields)
        chosen = self._plans.get(names)
        if chosen is None:
            chosen = self._plans[names] = self._plan(fields)
        broken: list[str] = []
        found = interpret(fields, chosen, broken.append)
        if broken:
            self._unreadable(record.line)
        device = fields.get("device")
        for kind, (values, stages) in found.items():
            if chosen.plain or kind == "start":
                self.flush()
                device = device if isinstance(device, str) else None
                self.reading.table.add(self._attempt, kind, values, stages, device)
            else:
                self._hold(kind, values, stages)

    def flush(self) -> None:
        """Add the rows that are held back."""
        for kind, (values, stages) in self._pending.items():
            self.reading.table.add(self._attempt, kind, values, stages)
        self._pending = {}

    def _hold(self, kind: str, values: dict[str, float], stages: dict[str, tuple[float, ...]]) -> None:
        at = (values.get("step"), values.get("epoch"))
        before = self._pending.get(kind)
        again = before is not None and ((values.keys() - SHARED) & before[0].keys() or stages.keys() & before[1].keys())
        if at != self._at or at == (None, None) or again:
            self.flush()
            before = None
        self._at = at
        self._pending[kind] = (before[0] | values, before[1] | stages) if before else (values, stages)

    def _plan(self, fields: dict[str, Any]) -> Plan:
        own = isinstance(kind := fields.get("kind"), str) and kind.strip().lower() in KINDS
        chosen = plan(fields, self.mapped, own)
        self.reading.columns |= fields.keys()
        if fields.get("kind") != "start":
            for column in chosen.columns:
                means = column.means
                if column.name != means.ours:
                    said = f"{means.ours} ({means.phase})" if means.phase else means.ours
                    self.reading.recognised.setdefault(column.name, said)
            self.reading.left_out |= dict.fromkeys(chosen.left_out)
        return chosen

    def _unreadable(self, line: int) -> None:
        self.reading.unreadable_count += 1
        if len(self.reading.unreadable) < self.KEPT_LINES:
            self.reading.unreadable.append(line)
