"""codecjob data: push, ls, verify, rm."""

import time
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from infra.store import Store, check_writable
from job import dataset
from job.checks.finding import Level
from job.checks.preflight.clips import about_clips
from job.checks.preflight.resources import size
from job.cli.options import json_option, store_option
from job.cli.output import USAGE, duration, print_json
from job.cli.progress import progress
from job.dataset import manifest as manifests
from job.dataset.manifest import Manifest
from job.dataset.remove import remove, runs_by_dataset
from job.dataset.verify import verify
from job.errors import UsageError
from job.paths import open_default_store
from job.spec.trainer_plan import ask_trainer

id_argument = click.argument("dataset_id", metavar="ID")


@click.group("data")
def command() -> None:
    """Bring audio into the store and look after it there. ID is the beginning of a dataset's id.

    \b
    Examples:
      codecjob data push clips/
      codecjob data ls
      codecjob data verify 3f2a
      codecjob data rm 3f2a
    """


@command.command("push")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--sample-rate", metavar="HZ", type=click.IntRange(min=1), help="Default: the trainer's.")
@store_option
@json_option
def push_command(folder: Path, sample_rate: int | None, store: str | None, as_json: bool) -> None:
    """Decode a folder of audio, pack it into shards and upload what the store does not have.

    `submit` does the same with its spec's data. An unchanged folder uploads nothing.

    \b
    Examples:
      codecjob data push clips/
      codecjob data push clips/ --sample-rate 24000 --store s3://bucket/prefix --json
    """
    opened = open_default_store(store)
    rate = sample_rate or int(ask_trainer([]).config["sample_rate"])
    with progress("looking at clips", "clips", quiet=as_json) as on_file:
        data = dataset.look_at(folder, rate, on_file)
    findings = about_clips(data, rate)
    if stops := [finding.message for finding in findings if finding.level is Level.ERROR]:
        raise UsageError("\n".join(stops))
    for finding in findings:
        if finding.level is Level.WARNING:
            click.echo(f"warning: {finding.message}", err=True)
    check_writable(opened)
    pushed = push(opened, data, quiet=as_json)
    if as_json:
        print_json({"dataset": pushed.dataset_id, "store": opened.url, **_facts(pushed.manifest)} | _sent(pushed))
        return
    click.echo(f"dataset {pushed.dataset_id}: {_in_words(pushed.manifest)}")
    click.echo(uploaded(pushed))


@command.command("ls")
@store_option
@json_option
def ls_command(store: str | None, as_json: bool) -> None:
    """List the datasets of a store, the newest first.

    \b
    Examples:
      codecjob data ls --json
    """
    opened = open_default_store(store)
    runs = runs_by_dataset(opened)
    rows: list[dict[str, Any]] = []
    for each in manifests.list_datasets(opened):
        facts = _facts(manifests.read_manifest(opened, each.id))
        names = [run.run_id for run in runs.get(each.id, [])]
        rows.append({"dataset": each.id, "pushed": each.pushed, **facts, "runs": names})
    if as_json:
        print_json(rows)
        return
    if not rows:
        click.echo(f"no datasets in {opened.url} yet: `codecjob data push DIR` makes one")
        return
    table = Table("dataset", "pushed", "clips", "duration", "Hz", "size", "runs", box=None, pad_edge=False)
    for row in rows:
        table.add_row(
            row["dataset"],
            time.strftime("%Y-%m-%d %H:%M", time.localtime(row["pushed"])),
            str(row["clips"]),
            duration(row["seconds"]),
            str(row["sample_rate"]),
            size(row["bytes"]),
            str(len(row["runs"])),
        )
    Console(soft_wrap=True, highlight=False, markup=False).print(table)


@command.command("verify")
@id_argument
@store_option
@json_option
def verify_command(dataset_id: str, store: str | None, as_json: bool) -> None:
    """Read a whole dataset back and compare every shard and every clip with its hash. Exit code 2 if one differs.

    \b
    Examples:
      codecjob data verify 3f2a
    """
    opened = open_default_store(store)
    found = manifests.find_dataset(opened, dataset_id)
    with progress("verifying", "bytes", quiet=as_json) as on_bytes:
        problems = verify(opened, found, on_bytes)
    facts = _facts(manifests.read_manifest(opened, found))
    if as_json:
        print_json({"dataset": found, "store": opened.url, "ok": not problems, **facts, "problems": problems})
        raise SystemExit(USAGE if problems else 0)
    if problems:
        raise UsageError("\n".join(problems))
    click.echo(f"dataset {found}: {facts['clips']} clips in {facts['shards']} shards are as they were pushed")


@command.command("rm")
@id_argument
@click.option("--force", is_flag=True, help="Also if a run that has ended without success could be resumed with it.")
@store_option
@json_option
def rm_command(dataset_id: str, force: bool, store: str | None, as_json: bool) -> None:
    """Remove a dataset that no run needs. What another dataset names stays. Not while somebody pushes.

    \b
    Examples:
      codecjob data rm 3f2a
      codecjob data rm 3f2a --force --json
    """
    opened = open_default_store(store)
    found = manifests.find_dataset(opened, dataset_id)
    removed = remove(opened, found, force=force)
    if as_json:
        facts = {"removed_objects": removed.objects, "removed_bytes": removed.bytes, "kept_objects": removed.kept}
        print_json({"dataset": found, "store": opened.url, **facts})
        return
    click.echo(f"dataset {found} is removed: {removed.objects} objects, {size(removed.bytes)}")
    if removed.kept:
        click.echo(f"{removed.kept} objects stay: other datasets name them")


def push(store: Store, data: dataset.LocalData, *, quiet: bool) -> dataset.Pushed:
    """`dataset.push` with a progress bar on a terminal."""
    with progress("uploading", "bytes", quiet=quiet) as on_bytes:
        return dataset.push(store, data, on_bytes)


def uploaded(pushed: dataset.Pushed) -> str:
    """What a push has done, in words."""
    if not pushed.uploaded:
        return "nothing to upload: the store has it"
    return f"uploaded {pushed.uploaded} of {len(pushed.manifest.shards)} shards, {size(pushed.uploaded_bytes)}"


def _sent(pushed: dataset.Pushed) -> dict[str, int]:
    return {"uploaded_shards": pushed.uploaded, "uploaded_bytes": pushed.uploaded_bytes}


def _facts(manifest: Manifest) -> dict[str, float]:
    return {
        "clips": len(manifest.clips), "seconds": manifest.seconds, "sample_rate": manifest.sample_rate,
        "bytes": manifest.size, "shards": len(manifest.shards),
    }  # fmt: skip


def _in_words(manifest: Manifest) -> str:
    spelled = f"{len(manifest.clips)} clips, {duration(manifest.seconds)} at {manifest.sample_rate} Hz"
    return f"{spelled}, {size(manifest.size)} in {len(manifest.shards)} shards"
