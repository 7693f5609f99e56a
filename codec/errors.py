"""The one base of every error the command line shows as a single line, and how it is shown.

The base is defined in `codec.audio`, which other packages import on its own and which therefore
depends on nothing else in `codec`.
"""

import click

from codec.audio.errors import UserError

__all__ = ["BAD_INPUT", "CRASHED", "LOST_OTHERS", "UserError", "first_line", "tell"]

# Exit codes.
CRASHED = 1
BAD_INPUT = 2
LOST_OTHERS = 4  # of a rank whose exchange with the others has broken


def tell(message: str) -> None:
    """Print a mistake of the user's as one line."""
    click.echo(f"error: {' '.join(message.split())}", err=True)


def first_line(error: Exception) -> str:
    """What an error says first, or its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
