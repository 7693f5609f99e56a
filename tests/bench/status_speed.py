"""How long `codecjob status` takes with 1,000 runs in a folder store: python -m tests.bench.status_speed.

The runs are real rows (tests/bench/verdicts/rows), drawn out to the length of an hour of training, under the documents
of a real run. Each command is a process of its own, from start to exit. "first" has no cache, "again" has one.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from infra.store import open_store
from tests.fakes.records import add_run, rows, run_id

OUTCOMES = ("succeeded", "aborted", "stopped", "failed", None)


@dataclass(frozen=True)
class Took:
    """One command, several times."""

    command: str
    cache: str
    wall: list[float]
    """Seconds."""
    cpu: list[float]
    """Seconds of processor: what the same would take on a machine at rest, for the most part."""


@click.command()
@click.option("--runs", default=1000, show_default=True)
@click.option("--rows", "count", default=1800, show_default=True, help="Training rows of each run; an hour has 1,800.")
@click.option("--rounds", default=7, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The results as JSON.")
def main(runs: int, count: int, rounds: int, as_json: bool) -> None:
    """Print the median and the spread of wall and processor time of each command."""
    with tempfile.TemporaryDirectory(prefix="status-speed-") as folder:
        home = Path(folder)
        _fill(home, runs, drawn_out(count))
        newest = run_id(runs - 1)
        cases = (["status"], ["status", "--json"], ["status", newest], ["status", "--all"])
        # Judging every row of a thousand runs takes minutes: once is enough of that.
        took = [_time(home, words, True, 1 if "--all" in words else rounds) for words in cases]
        took += [_time(home, words, False, rounds) for words in cases if newest not in words]
        empty = home / "empty"
        took.append(_time(empty, ["status"], False, rounds, "no runs at all"))
    if as_json:
        document = {"runs": runs, "rows": count, "rounds": rounds, "cores": os.cpu_count()}
        click.echo(json.dumps({**document, "took": [asdict(case) for case in took]}, indent=2))
        return
    click.echo(f"{runs} runs of {count} training rows; seconds, median of {rounds} (from - to)\n")
    click.echo("| command | cache | wall | processor |\n| --- | --- | --- | --- |")
    for case in took:
        click.echo(f"| `codecjob {case.command}` | {case.cache} | {_words(case.wall)} | {_words(case.cpu)} |")


def drawn_out(count: int) -> bytes:
    """The rows of a real training, its training rows repeated until there are so many, in twenty epochs."""
    found = [json.loads(line) for line in rows().splitlines()]
    start, *rest = found
    train = [row for row in rest if row["kind"] == "train"]
    validations = [row for row in rest if row["kind"] == "validation"]
    made, every = [start, validations[0]], max(count // 20, 1)
    for step in range(1, count + 1):
        at = {"step": step, "epoch": step // every, "time": start["time"] + 2.0 * step}
        made.append({**train[step % len(train)], **at})
        if step % every == 0:
            made.append({**validations[-1], **at, "snr_db": 6 + step / count})
    return b"".join(json.dumps(row).encode() + b"\n" for row in made)


def _fill(home: Path, runs: int, metrics: bytes) -> None:
    """A few runs are written by the record's own code; the others are links to their files under another name."""
    store, now = open_store(str(home / "store")), time.time()
    folder = home / "store" / "runs"
    for number in range(runs):
        if number < len(OUTCOMES):
            add_run(store, run_id(number), now, metrics, outcome=OUTCOMES[number])
        else:
            model = folder / run_id(number % len(OUTCOMES))
            shutil.copytree(model, folder / run_id(number), copy_function=os.link)


def _time(home: Path, words: list[str], first: bool, rounds: int, cache: str | None = None) -> Took:
    environment = {**os.environ, "CODECJOB_HOME": str(home), "HOME": str(home), "COLUMNS": "140"}
    for name in ("CODECJOB_STORE", "RUNPOD_API_KEY"):
        environment.pop(name, None)
    wall, cpu = [], []
    for number in range(rounds + (not first)):
        cached = home / "cache"
        if first:
            shutil.rmtree(cached, ignore_errors=True)
        environment["XDG_CACHE_HOME"] = str(cached)
        began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "job", *words]
        subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=True, timeout=600)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if first or number:  # else the round that fills the cache
            wall.append(time.perf_counter() - began)
            cpu.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    shown = "status RUN" if words[-1].startswith("telugu") else " ".join(words)
    return Took(shown, cache or ("first" if first else "again"), wall, cpu)


def _words(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({min(seconds):.2f} - {max(seconds):.2f})"


if __name__ == "__main__":
    main()
