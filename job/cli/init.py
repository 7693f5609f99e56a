"""codecjob init."""

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click

from infra.pods import PROVIDERS, kind_of
from job.cli.options import json_option
from job.cli.output import print_json
from job.paths import open_default_store
from job.spec import template
from job.spec.load import load_spec
from job.spec.model import NAME_PATTERN

SUFFIXES = (".yaml", ".yml")
DATA = "clips"


@click.command("init")
@click.argument("place", metavar="[DIR|FILE]", default=".", type=click.Path(path_type=Path))
@click.option("--name", help="Name of the runs. Default: the folder's.")
@click.option("--data", metavar="DIR", help="Folder of audio, seen from here. Default: clips beside the spec.")
@click.option("--provider", type=click.Choice(list(PROVIDERS)), help="Where pods run. Default: local.")
@click.option("--store", metavar="URL", help="Where the record lies: a folder, or s3://bucket/prefix.")
@click.option("--gpu", multiple=True, metavar="NAME", help="A GPU to take; several in order of preference.")
@click.option("--max-cost", type=float, metavar="USD", help="The run is ended when this is spent.")
@click.option("--preset", metavar="NAME", help="Named settings for a rate: codec presets lists them.")
@click.option("--recipe", metavar="NAME", help="What is learned: waveform or perceptual.")
@json_option
def command(
    place: Path,
    name: str | None,
    data: str | None,
    provider: str | None,
    store: str | None,
    gpu: tuple[str, ...],
    max_cost: float | None,
    preset: str | None,
    recipe: str | None,
    as_json: bool,
) -> None:
    """Write a job.yaml with every key in it, those that are not given as comments with their default.

    On a terminal it asks for what a run has to have and no flag gives. A file that is there is never touched.
    Exit code: 0 written, 2 not.

    \b
    Examples:
      codecjob init
      codecjob init my-lab --data ~/telugu --preset 16khz-6kbps
      codecjob init job.yaml --provider runpod --store s3://my-bucket/lab --gpu "RTX 4090" --max-cost 20
    """
    path = place if place.suffix in SUFFIXES else place / "job.yaml"
    if path.exists():
        raise click.UsageError(f"{path} is there already and stays as it is; give another name or folder")
    ask = sys.stdin.isatty() and not as_json
    name = name or _ask("name of the runs", _name_of(path), ask)
    beside = str(path.parent / DATA)
    if data is None:
        data = _ask("folder of audio", beside, ask)
    if provider is None:
        provider = _ask("where pods run", "local", ask, click.Choice(list(PROVIDERS)))
    if ask and not kind_of(provider).at_home:
        store = store or _ask("store that a rented pod reaches, s3://bucket/prefix", store, ask) or None
        gpu = gpu or tuple(filter(None, [_ask("GPU, empty for the cheapest", "", ask)]))
        max_cost = max_cost or click.prompt("USD that a run may cost", type=float, default=20.0, err=True)
    folder = path.parent
    answers: dict[str, Any] = {
        "name": name,
        "data": DATA if data == beside else template.seen_from(folder, data),
        "provider": provider,
        "gpu": list(gpu),
        "store": template.seen_from(folder, store) if store else None,
        "max_cost": max_cost,
        "train": {key: value for key, value in (("preset", preset), ("recipe", recipe)) if value},
    }
    template.write(path, {key: value for key, value in answers.items() if value not in (None, [], {})})
    spec = load_spec(path)
    todo = f"codecjob preflight {shlex.quote(str(path))}"
    if as_json:
        print_json({"path": str(path), "spec": spec.model_dump(mode="json"), "next": todo})
        return
    click.echo(f"wrote {path}")
    if not spec.data.is_dir():
        click.echo(f"note: {spec.data} is not there yet: put wav, flac, ogg or mp3 files into it", err=True)
    if not kind_of(provider).at_home and open_default_store(spec.store).url.startswith("file:"):
        click.echo("note: a rented pod needs an s3:// store: give `store` in the spec, or CODECJOB_STORE", err=True)
    click.echo(f"next: {todo}")


def _ask(question: str, default: str | None, ask: bool, kind: "click.Choice[str] | None" = None) -> str:
    if not ask:
        return default or ""
    answer: str = click.prompt(question, default=default or "", type=kind, err=True)
    return answer.strip()


def _name_of(path: Path) -> str:
    stem = path.stem if path.stem != "job" else path.resolve().parent.name
    name = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:40].strip("-")
    return name if re.fullmatch(NAME_PATTERN, name) else "my-run"
