"""What a command needs beside the base install, said in one line where it is missing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click


@contextmanager
def needs_torch() -> Iterator[None]:
    """Around the imports of torch: a missing one becomes the user's error."""
    # Read when torch is loaded. By default its threads spin while they wait for each other, so two
    # trainings that share the same cores slow each other down more than twentyfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "torchaudio", "safetensors"):
            raise
        raise click.ClickException(f"{error.name} is missing: install codecjob[train]") from error
