"""What the columns of a record mean: a plan for each set of names, made once.

A record may hold figures of training and of a validation at once; the plan says which belong to which row.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from job.verdict.checklist_spec import METRICS
from job.verdict.readers.vocabulary import ALIASES, SHARED, Meaning, meaning, phase_of
from job.verdict.rows import VALIDATION_ONLY

# What `--map` may name: what a rule or the order of the rows reads.
FIELDS = tuple(dict.fromkeys((*ALIASES, *METRICS)))
# Fields that say which kind of row it is.
KIND_FIELDS = ("kind", "split", "phase", "stage", "mode", "type", "event")


@dataclass(frozen=True)
class Column:
    """One column that is read, and what it means."""

    name: str
    means: Meaning


@dataclass(frozen=True)
class Plan:
    """How records with one set of names are read."""

    columns: tuple[Column, ...]
    """In the order in which they are read: of several for one metric the preferred one first."""
    kind_field: str | None
    validation_only: tuple[str, ...]
    """Columns without a phase whose metric only a validation measures."""
    left_out: tuple[str, ...]
    plain: tuple[str, ...]
    """The columns, where each is read under its own name, as in the files of `codec train`; else empty."""


def plan(names: Iterable[str], mapped: Mapping[str, str], own: bool) -> Plan:
    """Return the plan for records with these names.

    Args:
        names: the fields of the record.
        mapped: column -> our name, from ``--map``; it goes before what a name usually means.
        own: whether fields that are not known keep their name, as in the files of `codec train`.
    """
    columns: list[Column] = []
    left_out: list[str] = []
    replaced = set(mapped.values())
    kind_field = next((field for field in KIND_FIELDS if field in (names := list(names))), None)
    for name in names:
        if name == kind_field:
            continue
        if name in mapped:
            ours = mapped[name]
            columns.append(Column(name, Meaning(ours, None if ours in SHARED else phase_of(name), rank=-1)))
            continue
        means = meaning(name)
        if means is None and own:
            means = Meaning(name)
        if means is None or means.ours in replaced:
            left_out.append(name)
        else:
            columns.append(Column(name, means))
    columns.sort(key=lambda column: column.means.rank)
    only = [column.name for column in columns if column.means.phase is None and column.means.ours in VALIDATION_ONLY]
    own_names = all(column.means == Meaning(column.name, rank=column.means.rank) for column in columns)
    plain = tuple(column.name for column in columns) if own and own_names and not left_out else ()
    return Plan(tuple(columns), kind_field, tuple(only), tuple(left_out), plain)
