"""What tests of every kind share."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_SECONDS = 300.0
"""How long a test waits for what must happen. Below pytest's own limit; a busy machine takes long for little."""


def wait_until(what: Callable[[], T], seconds: float = PATIENCE_SECONDS) -> T:
    """Poll until `what` gives something true, and return that.

    The limit only ends a wait in vain: what takes its time passes. So it is no assertion about speed.
    """
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until, f"waited in vain for {seconds:g} s"
        time.sleep(0.02)
    return found
