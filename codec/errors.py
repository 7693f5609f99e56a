"""The one base of every error the command line shows as a single line, and how it is shown.

The base is defined in `codec.audio`, which other packages import on its own and which therefore
depends on nothing else in `codec`.
"""

import click

from codec.audio.errors import UserError

__all__ = ["BAD_INPUT", "UserError", "tell"]

BAD_INPUT = 2  # the exit code


def tell(message: str) -> None:
    """Print a mistake of the user's as one line."""
    click.echo(f"error: {' '.join(message.split())}", err=True)
