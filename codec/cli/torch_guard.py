"""What a command needs beside the base install, said in one line where it cannot be loaded."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from codec.loading import library_error


@contextmanager
def needs_torch() -> Iterator[None]:
    """Around the imports of torch: one that is missing or cannot be loaded becomes the user's error."""
    # Read when torch is loaded. By default its threads spin while they wait for each other, so two
    # trainings that share the same cores slow each other down more than twentyfold.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        yield
    except Exception as error:
        said = library_error(error)
        if said is None:
            raise
        raise click.ClickException(said) from error
