"""Errors that commands raise when the user, or the outside world, has to fix something."""

import difflib
from collections.abc import Iterable


class UsageError(Exception):
    """The user's mistake. The message is one line: what is wrong, where, and how to fix it (exit code 2)."""


class CannotTellError(Exception):
    """The store or the provider gave no usable answer, so nothing may be concluded from it (exit code 3)."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` 'x': did you mean 'y'?`` or, where nothing is near, just the name."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" {name!r}: did you mean {near[0]!r}?" if near else f" {name!r}"
