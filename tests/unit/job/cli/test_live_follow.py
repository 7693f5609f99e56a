"""How a phase is drawn, and which lines there are where nothing can be drawn."""

import io

import pytest
from rich.console import Console

from job.cli.live_follow import Moving, Plain, block
from job.cli.phases import STEPS, Phase
from job.cli.progress import Lines, in_words

FACTS = ("epoch 12/100", "loss 0.432", "SNR 12.2 dB (epoch 11)", "UNDECIDED", "2.1 h left")
MONEY = "1.12 USD so far (0.69 USD/h x 1.2 h + 0.69 USD/h x 0.42 h)"
TRAINING = Phase("training", "training", 120_000, 1_000_000, STEPS, (*FACTS, MONEY))


@pytest.mark.slow
@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_the_block_is_never_wider_than_the_terminal(width: int) -> None:
    file = io.StringIO()
    Console(file=file, width=width, force_terminal=True, color_system=None).print(block(TRAINING, width, "|"))
    lines = file.getvalue().splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    text = " ".join(" ".join(lines).split())
    assert "12%" in text
    if width >= 40:
        assert "step 120000/1000000" in text
        assert MONEY in text


def test_plain_lines_come_with_phases_and_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    plain = Plain(seconds=60.0)
    for step in (1, 2, 3):
        plain.show(Phase("training", "training", step, 9, STEPS))
    plain.show(Phase("stopping", "stopping: told to"))
    lines = [line[10:] for line in capsys.readouterr().out.splitlines()]
    assert lines == ["training  step 1/9", "stopping: told to"]
    often = Plain(seconds=0.0)
    for step in (1, 1, 2):
        often.show(Phase("training", "training", step, 9, STEPS))
    assert len(capsys.readouterr().out.splitlines()) == 2, "never the same line twice"


@pytest.mark.slow
def test_what_happens_stays_above_the_block_and_a_verdict_has_its_colour() -> None:
    file = io.StringIO()
    console = Console(file=file, width=40, force_terminal=True, color_system="standard")
    moving = Moving(console)
    moving.show(TRAINING)
    moving.show(TRAINING)
    moving.say("verdict BAD: [snr_db] is -3")
    assert file.getvalue().count("training") == 1
    assert "\x1b[1;31m BAD:" in file.getvalue()
    assert "[snr_db]" in file.getvalue(), "no markup"


def test_progress_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        in_words("uploading", "bytes", 20_000_000, 50_000_000, 1e6)
        == "uploading: 20.0 MB of 50.0 MB, 1.0 MB/s, 30 s left"
    )
    assert in_words("preflight", "clips", 3, 9, 0.0) == "preflight: 3 of 9 clips"
    quick = Lines("preflight", "clips")
    quick.show(1, 9)
    assert capsys.readouterr().err == "", "work of a moment is silent"
    slow = Lines("preflight", "clips", seconds=0.0)
    for done in (0, 3, 9):
        slow.show(done, 9)
    assert [line[:21] for line in capsys.readouterr().err.splitlines()] == [
        "preflight: 0 of 9 cli",
        "preflight: 3 of 9 cli",
    ]
