"""codecjob image build, codecjob image push."""

from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from infra import engine, image
from infra.image_source import source_folder
from job.cli.options import json_option
from job.cli.output import print_json
from job.run import last_image
from job.run.last_image import KnownImage

DEFAULT_TAG = "codecjob:latest"


@click.group("image")
def command() -> None:
    """Make the image that pods run, and put it where they can fetch it.

    \b
    Examples:
      codecjob image build
      codecjob image build --tag docker.io/me/codecjob:1
      codecjob image push docker.io/me/codecjob:1
    """


@command.command("build")
@click.option("--tag", default=DEFAULT_TAG, show_default=True, help="The image's name.")
@click.option("--base-image", metavar="IMAGE", help="Built on this instead of the Dockerfile's Python image.")
@click.option("--cuda", metavar="VERSION", help="Another CUDA version of the same torch, such as 12.6.")
@click.option("--torch-index", metavar="URL", help="The wheel index that has torch for --cuda.")
@click.option(
    "--source",
    type=click.Path(path_type=Path),
    help="A checkout of codecjob. Default: the source of this very program.",
)
@json_option
def build(
    tag: str, base_image: str | None, cuda: str | None, torch_index: str | None, source: Path | None, as_json: bool
) -> None:
    """Build the image from codecjob's source. `submit` uses what was built, or pushed, last.

    \b
    Examples:
      codecjob image build
      codecjob image build --tag docker.io/me/codecjob:cuda12 --cuda 12.6 --torch-index URL
    """
    say = (lambda line: None) if as_json else click.echo
    with source_folder(source.resolve() if source else None) as folder:
        built = image.build(folder, tag, say, base_image, cuda, torch_index)
    last_image.write(_known(built))
    if as_json:
        print_json(asdict(built))
        return
    click.echo(f"built {tag}: {built.size / 1e9:.2f} GB, torch {built.torch}, CUDA {built.cuda}, {built.commit[:12]}")
    click.echo(f"next: codecjob image push {tag}, or a spec with provider: docker")


@command.command("push")
@click.argument("tag", metavar="TAG")
@json_option
def push(tag: str, as_json: bool) -> None:
    """Push a built image to the registry that its name begins with, with the login of `docker login`.

    \b
    Examples:
      codecjob image push docker.io/me/codecjob:1
    """
    client = engine.connect()
    built = image.look(client, tag)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=as_json) as bar:
        task = bar.add_task(tag, total=None)
        reference = image.push(tag, lambda sent, total: bar.update(task, completed=sent, total=total))
    last_image.write(_known(built, reference))
    if as_json:
        print_json({"image": reference, **asdict(built)})
        return
    click.echo(f"pushed {reference}")
    click.echo("next: codecjob submit SPEC; runs use this image unless their spec names another")


def _known(built: image.Image, pushed: str | None = None) -> KnownImage:
    return KnownImage(
        tag=built.tag,
        id=built.id,
        pushed=pushed,
        version=built.version,
        commit=built.commit,
        torch=built.torch,
        cuda=built.cuda,
    )
