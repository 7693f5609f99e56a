"""Whether the colours can be read."""

import re

import pytest

from job.report.palette import COLOURS, DASHES, RUNS, light, swaps

INKS = ("ink", "muted", "good", "bad", "undecided", "validation")
LINES = ("validation", "train", "good", "bad", "undecided")


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    shares = [value / 255 for value in bytes.fromhex(colour[1:7])]
    linear = [share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("ground", ["page", "card"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_lines_stand_out(ground: str, scheme: str) -> None:
    below = getattr(COLOURS[ground], scheme)
    assert {
        ink: contrast(getattr(COLOURS[ink], scheme), below)
        for ink in INKS
        if contrast(getattr(COLOURS[ink], scheme), below) < 4.5
    } == {}
    assert all(contrast(getattr(COLOURS[line], scheme), below) >= 3 for line in LINES)
    assert all(contrast(getattr(run, scheme), below) >= 3 for run in RUNS)


def test_every_light_colour_has_its_own_dark_one() -> None:
    grounds = sum(name.endswith("-ground") for name in COLOURS)
    assert len(swaps()) == 2 * (len(COLOURS) + len(RUNS)) - grounds, "each but a ground has a band of its own"
    assert len(set(DASHES)) == len(DASHES) == len(RUNS)
    assert light("ink") == COLOURS["ink"].light
    assert re.fullmatch(r"rgba\(21,112,63,0\.0\d+\)", light("good-ground"))
