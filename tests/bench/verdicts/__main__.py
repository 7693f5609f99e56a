"""The bench's command: python -m tests.bench.verdicts."""

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.bench.verdicts import peers, table, timing
from tests.bench.verdicts.case import Case, Made, Training
from tests.bench.verdicts.cases import CASES
from tests.bench.verdicts.record import ROOT, ROWS, can_train, record
from tests.bench.verdicts.replay import replay

PEERS_PYTHON = ROOT / ".venv" / "bench-verdicts" / "bin" / "python"
AT_ONCE = 2


@click.command()
@click.option("--retrain", is_flag=True, help="Train the cases anew and keep their rows: about 10 s of a core each.")
@click.option("--only", multiple=True, metavar="NAME", help="This case alone; may be given again.")
@click.option("--json", "as_json", is_flag=True, help="The results as JSON.")
@click.option("--timing", "timed", is_flag=True, help="Run bad jobs on local pods instead; seconds from row to stop.")
@click.option(
    "--peers",
    "python",
    type=click.Path(path_type=Path),
    help="Python that has the other tools: requirements.txt beside this file.",
)
def main(retrain: bool, only: tuple[str, ...], as_json: bool, timed: bool, python: Path | None) -> None:
    """Judge every bad and good run of the bench, row by row, and print who stopped which, and when.

    Exit code: 0 when every bad run is caught at its row and no good one is touched but those that are known, else 1.
    """
    if timed:
        click.echo(timing.table(timing.measure()))
        return
    unknown = set(only) - set(CASES)
    if unknown:
        raise click.UsageError(f"unknown case: {', '.join(sorted(unknown))}; known: {', '.join(CASES)}")
    cases = [CASES[name] for name in only] or list(CASES.values())
    if retrain:
        _retrain(cases)
    replays = [replay(case) for case in cases]
    if as_json:
        click.echo(json.dumps([table.as_dict(replayed) for replayed in replays], indent=2))
    else:
        others = peers.ask(_python(python), replays)
        click.echo(table.markdown(replays, others))
    raise SystemExit(0 if all(replayed.fine or replayed.case.known for replayed in replays) else 1)


def _python(given: Path | None) -> Path | None:
    return given or (PEERS_PYTHON if PEERS_PYTHON.exists() else None)


def _retrain(cases: list[Case]) -> None:
    """Trainings first, since some rows are made from theirs."""
    trained = [case for case in cases if isinstance(case.how, Training)]
    with ThreadPoolExecutor(min(AT_ONCE, os.cpu_count() or 1)) as pool:
        list(pool.map(_keep_trained, trained))
    for case in cases:
        if isinstance(case.how, Made):
            _keep(case, case.how.write())


def _keep_trained(case: Case) -> None:
    assert isinstance(case.how, Training)
    if not can_train(case.how):
        click.echo(f"{case.name}: its data is not here; the committed rows are kept", err=True)
        return
    _keep(case, record(case.how))


def _keep(case: Case, rows: bytes) -> None:
    (ROWS / f"{case.name}.jsonl").write_bytes(rows)
    click.echo(f"{case.name}: {len(rows.splitlines())} rows", err=True)


if __name__ == "__main__":
    main()
