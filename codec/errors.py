"""The one base of every error the command line shows as a single line.

It is defined in `codec.audio`, which other packages import on its own and which therefore
depends on nothing else in `codec`.
"""

from codec.audio.errors import UserError

__all__ = ["UserError"]
