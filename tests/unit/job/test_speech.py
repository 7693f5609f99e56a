"""Speaking into streams that take nothing."""

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console

from job import speech

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=["full disk", "closed file", "closed pipe", "none"])
def stream(request: pytest.FixtureRequest) -> Iterator[TextIO | None]:
    if request.param == "none":
        yield None
        return
    if request.param == "closed pipe":
        reader, writer = os.pipe()
        os.close(reader)
        file = os.fdopen(writer, "w")
    else:
        file = Path("/dev/full").open("w")  # noqa: SIM115
    if request.param == "closed file":
        file.close()
    yield file
    try:
        file.close()
    except OSError:
        return


def test_words_that_cannot_be_written_are_lost(stream: TextIO | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    speech.say("out")
    speech.tell("err")
    console = Console(file=speech.quiet(stream))
    console.print("a table")
    assert not console.is_terminal


def test_what_can_be_written_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    speech.say("out")
    speech.tell("err")
    Console(file=speech.quiet(out)).print("more")
    assert (out.getvalue(), err.getvalue()) == ("out\nmore\n", "err\n")


@pytest.mark.parametrize("streams", [">/dev/full 2>/dev/full", ">&- 2>&-", "| true", "2>&1 | true"])
def test_a_process_that_cannot_speak_ends_with_its_own_exit_code(streams: str) -> None:
    script = (
        "import sys; from job import speech\n"
        "try:\n for _ in range(3000): speech.say('out'), speech.tell('err')\n sys.exit(21)\n"
        "finally: speech.give_up_what_is_left()"
    )
    done = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" {streams}; exit "${{PIPESTATUS[0]}}"', sys.executable, script],
        cwd=ROOT,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 21
