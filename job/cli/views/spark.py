"""A row of small bars: how a number went, in the room of a few characters."""

import math
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from job.cli.output import number

BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*#@"
NOT_A_NUMBER = "x"
WIDEST = 60


def spark(values: Sequence[float], width: int, ascii_only: bool = False) -> str:
    """One character a value, low to high between the smallest and the largest; ``x`` where one is not finite.

    More values than ``width`` are taken together, by their means, so that the last character ends with the last value.
    """
    ramp = ASCII if ascii_only else BLOCKS
    means = [_mean(part) for part in _parts(values, width)]
    finite = [value for value in means if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 0.0)
    return "".join(_bar(value, low, high, ramp) for value in means)


class Sparkline:
    """First value, bars, last value, as wide as there is room; without blocks where the encoding has none."""

    def __init__(self, values: Sequence[float], digits: int, unit: str = "") -> None:
        self.values = values
        self.digits = digits
        self.unit = unit

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Prints it in one line."""
        first, last = (number(value, self.digits) for value in (self.values[0], self.values[-1]))
        room = options.max_width - len(first) - len(last) - len(self.unit) - 2
        bars = spark(self.values, max(min(room, WIDEST), 1), options.ascii_only)
        yield Text(f"{first} {bars} {last}{self.unit}", no_wrap=True, overflow="crop")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        """From a few bars to as many as are useful."""
        return Measurement(min(20, options.max_width), min(WIDEST + 20, options.max_width))


def _parts(values: Sequence[float], width: int) -> Iterator[Sequence[float]]:
    count = min(len(values), width)
    for index in range(count):
        yield values[index * len(values) // count : (index + 1) * len(values) // count]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _bar(value: float, low: float, high: float, ramp: str) -> str:
    if not math.isfinite(value):
        return NOT_A_NUMBER
    share = 0.0 if high == low else (value - low) / (high - low)
    return ramp[min(int(share * len(ramp)), len(ramp) - 1)]
