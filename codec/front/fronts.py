"""The fronts that are shipped, and which of them a rate takes."""

from dataclasses import dataclass, replace
from pathlib import Path

from codec.front import tables
from codec.front.tables import Settings, Tables

PATH = Path(__file__).with_name("tables.npz")


@dataclass(frozen=True)
class Front:
    """Settings of a front, and what its encoder adds to them."""

    settings: Settings
    rounding: float  # see scalar.quantize
    fill: float  # noise in empty bins, see noise_filling


# Long frames resolve the harmonics of a voice, short ones its onsets: below 12 kbit/s the first are worth more.
FRONTS = {
    "long": Front(Settings(hop=320, group=1, share=0), rounding=0.33, fill=0.4),
    "short": Front(Settings(hop=128, group=2, share=11), rounding=0.25, fill=0.4),
}
SHORT_FROM_KBPS = 12.0
TUNINGS = ("ear", "waveform")


def choose(kbps: float, tuning: str) -> tuple[str, Front]:
    """The front for a channel of `kbps`: `ear` sounds best, `waveform` has the most SNR."""
    if tuning == "waveform":
        return "long", replace(FRONTS["long"], fill=0.0)
    name = "long" if kbps < SHORT_FROM_KBPS else "short"
    return name, FRONTS[name]


def load(name: str) -> Tables:
    """The shipped tables of a front."""
    return tables.load(PATH, name)
