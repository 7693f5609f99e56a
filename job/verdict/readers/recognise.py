"""Which format a metrics file has, by its first lines."""

import re
from collections.abc import Iterable, Iterator, Sequence

from job.verdict.json_line import load_object
from job.verdict.readers import records
from job.verdict.readers.console import console
from job.verdict.readers.records import Record

HEAD_LINES = 50
JSON_LINES, DOCUMENT, TABLE, CONSOLE = "JSON lines", "JSON document", "table", "console lines"
_LIST_OF_RECORDS = re.compile(r"\[\s*(\{|$)")


def recognise(head: Sequence[str]) -> tuple[str, str]:
    """Return the format of a file that begins with these lines, and the delimiter of a table."""
    filled = [line.strip() for line in head if line.strip()]
    if not filled:
        return JSON_LINES, ""
    first, second = filled[0], filled[1] if len(filled) > 1 else None
    if first.startswith("{"):
        whole = load_object(first)
        if whole is not None:
            return (DOCUMENT if isinstance(whole.get("log_history"), list) else JSON_LINES), ""
        if second is None or not second.startswith("{"):
            return (JSON_LINES if second is None else DOCUMENT), ""
    if _LIST_OF_RECORDS.match(first) and (len(first) > 1 or second is None or second[0] in "{]"):
        return DOCUMENT, ""
    if sum(line.startswith("{") for line in filled) * 2 >= len(filled):
        return JSON_LINES, ""
    delimiter = records.delimiter_of(first, second)
    return (TABLE, delimiter) if delimiter else (CONSOLE, "")


def records_of(form: str, delimiter: str, lines: Iterable[str], mapped: Iterable[str]) -> Iterator[Record]:
    """Return the records of a file of this format."""
    if form == TABLE:
        return records.table(lines, delimiter)
    if form == DOCUMENT:
        return records.document(lines)
    if form == CONSOLE:
        return console(lines, frozenset(mapped))
    return records.json_lines(lines)
