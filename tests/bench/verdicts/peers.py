"""What other tools would have done with the same validation rows."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from job.verdict.rows import Row
from tests.bench.verdicts.replay import Replay

WORKER = Path(__file__).with_name("peers_worker.py")
METRICS = ("loss", "snr_db")
# Pruners compare a run with others that were finished: these, which are no cases of their own comparison.
TEACHERS = ("seed_1", "seed_2", "seed_3", "wider", "eight_stages", "two_stages")


@dataclass(frozen=True)
class Peer:
    """One tool's answers: the index, among a case's validation rows from epoch 1 on, at which it stops the run."""

    name: str
    stops: Mapping[str, int | None] | None  # None: not installed

    def caught(self, replays: Sequence[Replay]) -> list[Replay]:
        """Bad runs that it stopped at any row."""
        return [replay for replay in replays if self._late(replay) is not None]

    def in_time(self, replays: Sequence[Replay]) -> list[Replay]:
        """Bad runs that it stopped at the first validation row from the one that shows the fault on, or before."""
        return [replay for replay in replays if (late := self._late(replay)) is not None and late <= 0]

    def stopped_good(self, replays: Sequence[Replay]) -> list[Replay]:
        """Good runs that it stopped."""
        return [r for r in replays if r.case.kind == "good" and self.stops and self.stops.get(r.case.name) is not None]

    def _late(self, replay: Replay) -> int | None:
        """Validation rows between the fault and the stop; None where a run is not bad or was not stopped."""
        stop = (self.stops or {}).get(replay.case.name)
        if replay.shown_at is None or stop is None:
            return None
        return stop - len(_told(replay.rows[: replay.shown_at]))


def ask(python: Path | None, replays: Sequence[Replay]) -> list[Peer]:
    """Asks the tools that are installed beside a Python of their own."""
    if python is None:
        return []
    rows = {replay.case.name: _told(replay.rows) for replay in replays}
    teachers = [rows[name] for name in TEACHERS if name in rows]
    cases = {name: told for name, told in rows.items() if name not in TEACHERS}
    question = json.dumps({"teachers": teachers, "cases": cases})
    done = subprocess.run([python, WORKER], input=question, stdout=subprocess.PIPE, text=True, check=True)
    return [Peer(name, stops) for name, stops in json.loads(done.stdout).items()]


def _told(rows: Sequence[Row]) -> list[dict[str, float | None]]:
    """Validations of a trained model: by the untrained one's, a pruner would judge the luck of the first weights."""
    seen = [row for row in rows if row.kind == "validation" and row.step != 0]
    return [{name: row.get(name) for name in METRICS} for row in seen]
