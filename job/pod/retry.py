"""Retry of a step that must be done, while the record is unreachable."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def retry_until(
    step: Callable[[], T],
    *,
    errors: tuple[type[Exception], ...],
    over: Callable[[], bool],
    pause: float,
    say: Callable[[Exception], object],
) -> T:
    """Return what ``step`` returns; after one of ``errors`` say it and try again in ``pause`` seconds.

    Raises the error once it is ``over``, and any other error at once.
    """
    while True:
        try:
            return step()
        except errors as error:
            say(error)
            if over():
                raise
            time.sleep(pause)
