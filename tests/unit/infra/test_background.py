"""Work in a thread that nobody has to wait for."""

import threading

import pytest

from infra.background import Background


def result_of(work: "Background[int] | Background[None]") -> int | None:
    assert work.wait(60)
    return Background.result(work)


def test_it_gives_what_the_function_returned() -> None:
    assert result_of(Background(lambda: 7, "seven")) == 7


def test_it_raises_what_the_function_raised() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        result_of(Background(fail, "fails"))


def test_nobody_waits_longer_than_asked_for_what_hangs() -> None:
    release = threading.Event()
    work = Background(lambda: release.wait(60), "hangs")
    assert not work.wait(0.01)
    release.set()
    assert work.wait(60)
