"""codecjob report."""

import shlex
import sys
from pathlib import Path

import click
from rich.console import Console

from job.cli.complete import run_names
from job.cli.options import json_option, store_option
from job.cli.output import print_json
from job.errors import UsageError
from job.record.run import Run
from job.record.run_index import locate

OPENERS = {"darwin": "open", "win32": "start"}


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, shell_complete=run_names)
@click.option("--compare", is_flag=True, help="Set two or more runs side by side.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where the page goes. Default: the run's name with .html, in this folder.",
)
@store_option
@json_option
def command(runs: tuple[str, ...], compare: bool, out: Path | None, store: str | None, as_json: bool) -> None:
    """Write one HTML file about a run, which opens without a network: verdict with evidence, curves, samples, costs.

    Needs the extra: pip install 'codecjob[report]'.

    \b
    Examples:
      codecjob report @last
      codecjob report quickstart --out quickstart.html
      codecjob report --compare quickstart-20250102 @last
    """
    from job.report import page, write
    from job.report.gather import gather
    from job.report.side_by_side import MOST_RUNS

    if compare and not 2 <= len(runs) <= MOST_RUNS:
        raise UsageError(f"--compare sets 2 to {MOST_RUNS} runs side by side, and {len(runs)} are named")
    if not compare and len(runs) > 1:
        raise UsageError(f"a report is about one run, and {len(runs)} are named: add --compare")
    page.check_extra()
    write.check_folder(out)
    with Console(stderr=True).status("") as status:
        status.update("looking for the run")
        found = [locate(name, store) for name in runs]
        _check_distinct(found)
        gathered = []
        for run in found:
            status.update(f"reading {run.run_id}")
            gathered.append(gather(run, most_epochs=1) if compare else gather(run))
        status.update("writing the page")
        html = page.of_runs(gathered, found) if compare else page.of_run(gathered[0])
        path, size = write.write(html, out, write.default_name([run.run_id for run in found]))
    missing = {facts.run_id: list(facts.missing) for facts in gathered}
    if as_json:
        names = [run.run_id for run in found]
        print_json({"runs": names, "path": str(path), "url": path.as_uri(), "bytes": size, "missing": missing})
        return
    for said in (f"{run_id}: {said}" for run_id, notes in missing.items() for said in notes):
        click.echo(f"not in the page: {said}", err=True)
    click.echo(f"wrote {path} ({size / 1e6:.1f} MB)")
    click.echo(f"open it: {OPENERS.get(sys.platform, 'xdg-open')} {shlex.quote(str(path))}")


def _check_distinct(found: list[Run]) -> None:
    names = [(run.store.url, run.run_id) for run in found]
    twice = next((run_id for url, run_id in names if names.count((url, run_id)) > 1), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice: name another run")
