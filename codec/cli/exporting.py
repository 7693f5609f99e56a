"""`codec export`."""

from pathlib import Path

import click

from codec.cli.torch_guard import needs_torch
from codec.files import written


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("target", metavar="OUT.pt2", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace OUT if it exists.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def export(model: Path, target: Path, force: bool, as_json: bool) -> None:
    """Write a trained model's encoder and decoder as torch.export programs.

    MODEL is a checkpoint's folder, or a run's.

    \b
    Examples:
      codec export run1 model.pt2
    """
    with needs_torch():
        from codec.coding import trained
        from codec.coding.export import export as write
    from codec.files import to_json

    loaded = trained.load(model)
    with written(target, force) as partial:
        facts = {"file": str(target), **write(loaded, partial)}
    if as_json:
        click.echo(to_json(facts, indent=2))
    else:
        click.echo(
            f"{target}: encoder and decoder of model {facts['model']}, 2 frames or more of {facts['hop']} samples"
        )
