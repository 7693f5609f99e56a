import io
import math

import pytest
from rich.console import Console

from job.cli.views.spark import ASCII, BLOCKS, Sparkline, spark


def test_bars_rise_with_the_values() -> None:
    assert spark(range(8), 8) == BLOCKS
    assert spark(range(8), 8, ascii_only=True) == ASCII
    assert spark([3.0, 1.0, 2.0], 60) == "█▁▅"


def test_more_values_than_room_are_taken_together() -> None:
    values = [float(value) for value in range(1000)]
    assert spark(values, 8) == BLOCKS
    for width in range(1, 70):
        assert len(spark(values, width)) == width


def test_what_is_not_finite_is_a_cross_and_spoils_no_other() -> None:
    assert spark([0.0, math.nan, 1.0, math.inf], 10) == "▁x█x"
    assert spark([math.nan], 10) == "x"
    assert spark([2.0, 2.0], 10) == "▁▁"
    assert spark([], 10) == ""


@pytest.mark.slow
@pytest.mark.parametrize(("encoding", "bars"), [("utf-8", BLOCKS), ("ascii", ASCII), ("latin-1", ASCII)])
@pytest.mark.parametrize("width", [20, 40, 140])
def test_a_line_fits_its_width_and_its_encoding(encoding: str, bars: str, width: int) -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=file, width=width, force_terminal=False, highlight=False)
    console.print(Sparkline([float(value) for value in range(100)], 1, " dB"))
    file.flush()
    (line,) = file.buffer.getvalue().decode(encoding).splitlines()  # type: ignore[attr-defined]
    assert len(line) <= width
    assert line.startswith("0.0 ")
    assert line.endswith(" 99.0 dB")
    assert set(line.split()[1]) <= set(bars)
