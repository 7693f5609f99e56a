"""When the lines of a log were written, as far as they say so, and moments as a person types them.

The agent's, a node's and the trainer's lines of progress begin with a time of day (UTC). What stands between two of
them, such as a traceback, was written with the first.
"""

import re
import time
from datetime import UTC, datetime, timedelta

from job.errors import UsageError

DAY = 86400.0
STAMP = re.compile(rb"(?:agent |node \d+ )?(\d\d):(\d\d):(\d\d)\b")
AGO = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": DAY}
CLOCKS_DIFFER = 3600.0
"""How far a pod's clock may be behind the client's, before the same time of day is taken for the next day's."""


class Times:
    """The times of one attempt's lines, which come in order; its start tells the day."""

    def __init__(self, start: float) -> None:
        self._last = start

    def of(self, line: bytes) -> float:
        """When a line was written, Unix seconds."""
        if stamp := STAMP.match(line):
            hours, minutes, seconds = map(int, stamp.groups())
            day = (self._last - CLOCKS_DIFFER) // DAY * DAY
            moment = day + hours * 3600 + minutes * 60 + seconds
            self._last = moment + DAY * (moment < self._last - CLOCKS_DIFFER)
        return self._last


def moment(typed: str, now: float | None = None) -> float:
    """A time before now (10m, 2h, 1.5d), of this day or the last (14:05), or of any (2026-11-22T14:05), in UTC.

    Returns Unix seconds.

    Raises:
        UsageError: it is none of them.
    """
    now = time.time() if now is None else now
    if ago := AGO.fullmatch(typed):
        return now - float(ago[1]) * SECONDS[ago[2]]
    try:
        if re.fullmatch(r"\d\d?:\d\d(:\d\d)?", typed):
            today = datetime.fromtimestamp(now, UTC)
            given = datetime.strptime(typed, "%H:%M:%S" if typed.count(":") == 2 else "%H:%M")
            found = today.replace(hour=given.hour, minute=given.minute, second=given.second, microsecond=0)
            return (found if found <= today else found - timedelta(days=1)).timestamp()
        when = datetime.fromisoformat(typed)
    except ValueError:
        raise UsageError(
            f"--since {typed}: write how long ago, such as 10m, 2h or 1d, or a time in UTC, such as 14:05 or "
            "2026-11-22T14:05"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
