"""Work in a thread that nobody has to wait for."""

import threading

import pytest

from infra.background import Background


def test_it_gives_what_the_function_returned() -> None:
    assert Background(lambda: 7, "seven").result() == 7


def test_it_raises_what_the_function_raised() -> None:
    def fail() -> None:
        raise ValueError("no")

    work = Background(fail, "fails")
    assert work.wait(60)
    with pytest.raises(ValueError, match="no"):
        work.result()


def test_nobody_waits_longer_than_asked_for_what_hangs() -> None:
    release = threading.Event()
    work = Background(lambda: release.wait(60), "hangs")
    assert not work.wait(0.01)
    release.set()
    assert work.wait(60)
