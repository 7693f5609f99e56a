"""The nearest known name, for an error that helps."""

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` 'x': did you mean 'y'?`` or, where nothing is near, just the name."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" {name!r}: did you mean {near[0]!r}?" if near else f" {name!r}"
