"""Records of the structured formats: JSON lines, CSV, one JSON document. Each yields fields by name."""

import csv
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from job.verdict.json_line import load_object

DELIMITERS = (",", ";", "\t")
# W&B's export of a chart: "run - metric", beside it the metric's extremes within a step.
_CHART = re.compile(r"^(?P<run>.+?) - (?P<metric>.+)$")
_EXTREMES = ("__MIN", "__MAX")
# What a printed line has and a header has not: a number of its own.
_FIGURE = re.compile(r"=|(?:^|[\s:\[])[+-]?\d")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")


class UnreadableFileError(ValueError):
    """The file is of a known format and cannot be read. The message lacks the file's name."""


@dataclass(frozen=True, slots=True)
class Record:
    """The fields of one line, or None where the line cannot be read."""

    line: int
    fields: dict[str, Any] | None


def json_lines(lines: Iterable[str]) -> Iterator[Record]:
    """One JSON object a line. A last line that is still being written is no record."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = load_object(line)
        if fields is None and not line.endswith("\n"):
            return
        yield Record(number, fields)


def document(lines: Iterable[str]) -> Iterator[Record]:
    """Hugging Face's trainer_state.json, or a JSON list of records."""
    try:
        loaded = json.loads("".join(lines))
    except (ValueError, RecursionError) as error:
        raise UnreadableFileError(f"is not a whole JSON document: {error}") from None
    entries = loaded.get("log_history") if isinstance(loaded, dict) else loaded
    if not isinstance(entries, list):
        raise UnreadableFileError("is a JSON document without log_history: give trainer_state.json, or one row a line")
    for number, entry in enumerate(entries, 1):
        # The last entry sums up the whole training.
        if isinstance(entry, dict) and "train_runtime" in entry:
            continue
        yield Record(number, entry if isinstance(entry, dict) else None)


def table(lines: Iterable[str], delimiter: str) -> Iterator[Record]:
    """CSV with a header: Lightning's metrics.csv, an export of W&B.

    Raises:
        UnreadableFileError: the table holds several runs.
    """
    torn = False

    def noted() -> Iterator[str]:
        nonlocal torn
        for line in lines:
            torn = not line.endswith("\n")
            yield line.replace("\0", "")

    reader = csv.reader(noted(), delimiter=delimiter)
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None or cells == header:
                header = header or cells
                names = _metric_names([name.strip() for name in header])
                continue
            if len(cells) != len(header):
                if torn:
                    return  # a last row that is still being written
                yield Record(reader.line_num, None)
                continue
            fields = {name: cell for name, cell in zip(names, cells, strict=True) if name}
            if delimiter == ";":
                fields = {name: _with_point(cell) for name, cell in fields.items()}
            yield Record(reader.line_num, fields)
    except csv.Error as error:
        raise UnreadableFileError(f"is a table that cannot be read, line {reader.line_num}: {error}") from None


def delimiter_of(header: str, first: str | None) -> str | None:
    """The delimiter of a table by its first two lines; None where they are no table."""
    for delimiter in sorted(DELIMITERS, key=header.count, reverse=True):
        names = next(csv.reader([header], delimiter=delimiter), [])
        if len(names) < 2 or any(_is_value(name) or _FIGURE.search(name) for name in names):
            continue
        if first is None:
            return delimiter
        cells = next(csv.reader([first], delimiter=delimiter), [])
        if len(cells) == len(names) and any(_is_value(cell) for cell in cells):
            return delimiter
    return None


def _metric_names(header: list[str]) -> list[str]:
    """The header's names without the run's name of a W&B chart; extremes are empty names, which are left out."""
    charts = [_CHART.match(name) for name in header[1:]]
    if not charts or any(chart is None for chart in charts):
        return header
    runs = sorted({chart["run"] for chart in charts if chart})
    if len(runs) > 1:
        raise UnreadableFileError(f"holds {len(runs)} runs ({', '.join(runs[:3])}): export one run")
    metrics = [chart["metric"] for chart in charts if chart]
    return [header[0], *("" if name.endswith(_EXTREMES) else name for name in metrics)]


def _with_point(cell: str) -> str:
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell.strip()) else cell


def _is_value(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*[+-]?(\d[\d.,]*(e[+-]?\d+)?%?|nan|inf|infinity)\s*", cell, re.IGNORECASE))
