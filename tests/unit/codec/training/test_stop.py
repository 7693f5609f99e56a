import os
import signal
from pathlib import Path

import pytest

from codec.training.stop import StopRequest


def test_a_file_is_a_request_until_it_is_answered(tmp_path: Path) -> None:
    path = tmp_path / "stop.json"
    with StopRequest(path) as stop:
        assert not stop.requested()
        path.write_text("{}")
        assert stop.requested()
        stop.answer()
        assert not path.exists()
        stop.answer()  # there may be none: the request was a signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_request_and_the_second_one_is_not_held_up(tmp_path: Path, number: int) -> None:
    before = signal.getsignal(number)
    with StopRequest(tmp_path / "stop.json") as stop:
        os.kill(os.getpid(), number)
        assert stop.requested()
        assert signal.getsignal(number) == before
    assert signal.getsignal(number) == before
