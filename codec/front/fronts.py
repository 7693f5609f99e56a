"""The fronts that are shipped, and which of them a rate takes."""

import functools
from dataclasses import dataclass, replace
from pathlib import Path

from codec.front import tables, vector_coder
from codec.front.coder import Coder, ScalarCoder
from codec.front.tables import Settings
from codec.front.vector_coder import VectorCoder

PATH = Path(__file__).with_name("tables.npz")


@dataclass(frozen=True)
class Front:
    """Settings of a front, and what its encoder adds to them."""

    settings: Settings
    rounding: float  # see scalar.quantize
    fill: float  # noise in empty bins, see noise_filling
    quantizer: str = "scalar"  # one of QUANTIZERS


# Long frames resolve the harmonics of a voice, short ones its onsets: below 12 kbit/s the first are worth more.
FRONTS = {
    "long": Front(Settings(hop=320, group=1, share=0), rounding=0.33, fill=0.4),
    "short": Front(Settings(hop=128, group=2, share=11), rounding=0.25, fill=0.4),
    "vector": Front(Settings(hop=320, group=1, share=10), rounding=0.0, fill=0.4, quantizer="vector"),
}
SHORT_FROM_KBPS = 12.0
TUNINGS = ("ear", "waveform")
QUANTIZERS = ("scalar", "vector")


def choose(kbps: float, tuning: str, quantizer: str = "scalar") -> tuple[str, Front]:
    """The front for a channel of `kbps`: `ear` sounds best, `waveform` has the most SNR."""
    if quantizer == "vector":
        return "vector", FRONTS["vector"] if tuning == "ear" else replace(FRONTS["vector"], fill=0.0)
    if tuning == "waveform":
        return "long", replace(FRONTS["long"], fill=0.0)
    name = "long" if kbps < SHORT_FROM_KBPS else "short"
    return name, FRONTS[name]


@functools.cache
def coder_of(name: str) -> Coder:
    """A front, ready for use with the shipped tables."""
    arrays = tables.arrays_of(PATH, name)
    if FRONTS[name].quantizer == "vector":
        return VectorCoder(vector_coder.from_arrays(arrays))
    return ScalarCoder(tables.from_arrays(arrays), FRONTS[name].rounding)
