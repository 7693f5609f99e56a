"""What the bits of a model can buy, and the limits of a checklist at its rate. Figures: docs/preflight.md."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from job.verdict.checklist_spec import Band, Checklist
from job.verdict.rows import Row
from job.verdict.rules.recipes import RECIPES

MEASURED_AT_HZ = 16000
# (kbit/s, dB) on 16 kHz speech: an optimistic bound for any codec, and Opus at a constant rate.
BOUND = ((0.0, 0.0), (0.5, 5.0), (2.0, 10.0), (2.9, 12.0), (9.0, 20.0), (25.6, 32.0), (40.9, 40.0))
OPUS = (
    (0.0, 0.0),
    (8.0, 4.6),
    (12.0, 6.8),
    (16.0, 9.1),
    (24.0, 11.4),
    (32.0, 13.5),
    (48.0, 16.9),
    (64.0, 18.9),
    (96.0, 22.2),
    (128.0, 24.0),
)
# What a small model around a lapped transform whose frames differ in their codes has after an hour: docs/results.md.
LAPPED = ((0.0, 0.0), (3.2, 7.7), (4.8, 10.0), (8.0, 12.9), (16.0, 17.1), (24.0, 19.6), (72.0, 35.0))
# A run is good from this share of what its rate usually gives, and a level this share of the honest one is no fault:
# measured healthy rows had 0.69 to 0.80 of it (docs/bad-signs.md).
GOOD_SHARE, LEVEL_SHARE = 0.7, 0.7


@dataclass(frozen=True)
class Rate:
    """The bits of a model, without what entropy coding saves."""

    kbps: float
    sample_rate: float = MEASURED_AT_HZ
    lapped: bool = False
    """A lapped transform and frames that differ in their codes."""

    @property
    def bound_db(self) -> float:
        """The SNR that nothing exceeds at this rate, on 16 kHz speech."""
        return snr_bound_db(self.kbps)

    @property
    def usual_db(self) -> float:
        """About the SNR that L1 and VQ training converges to at this rate."""
        return snr_usual_db(self.kbps, self.lapped)


def snr_bound_db(kbps: float) -> float:
    """The SNR that nothing exceeds at this rate, on 16 kHz speech."""
    return _read(BOUND, kbps)


def snr_usual_db(kbps: float, lapped: bool) -> float:
    """The SNR of Opus at this rate: about what L1 and VQ training converges to, but for a `lapped` model."""
    return _read(LAPPED if lapped else OPUS, kbps)


def honest_amplitude(snr_db: float) -> float:
    """The amplitude ratio of the best decoder at an SNR of at least 0 dB: sqrt(1 - 10^(-SNR/10))."""
    return math.sqrt(max(1 - 10 ** (-snr_db / 10), 0.0))


def rate_of(start: Row) -> Rate | None:
    """The rate of the model that a start row describes; None where the row does not say enough."""
    hop, size, sample_rate = start.get("hop"), start.get("codebook_size"), start.get("sample_rate")
    stages = start.get("mean_quantizers") or start.get("num_quantizers")
    if not hop or not stages or not sample_rate or size is None or not 2 <= size < math.inf:
        return None
    kbps = sample_rate / hop * stages * math.log2(size) / 1000
    return Rate(kbps, sample_rate, bool(start.get("lapped"))) if 0 < kbps < math.inf else None


def fit(checklist: Checklist, rate: Rate | None) -> Checklist:
    """The checklist at a rate: limits of the default table that ask for more than the rate usually gives are lowered.

    A limit that is not the default's is the user's own and stays; so do all in a strict checklist.
    """
    if rate is None or checklist.strict or checklist.recipe != "waveform":
        return checklist
    good_db = GOOD_SHARE * rate.usual_db
    wanted = {
        "snr_db": {"good_above": good_db},
        "amplitude": {"good_above": honest_amplitude(good_db), "bad_below": LEVEL_SHARE * honest_amplitude(good_db)},
    }
    signs = dict(checklist.signs)
    for name, limits in wanted.items():
        if (band := signs.get(name)) is not None:
            signs[name] = _lowered(band, RECIPES["waveform"]["signs"][name], limits)
    return checklist.model_copy(update={"signs": signs})


def _lowered(band: Band, default: dict[str, Any], limits: dict[str, float]) -> Band:
    lower = {
        name: limit
        for name, limit in limits.items()
        if (own := getattr(band, name)) is not None and own == default[name] and limit < own
    }
    return band.model_copy(update=lower)


def _read(table: Sequence[tuple[float, float]], kbps: float) -> float:
    """Linear between the points, and on from the last two."""
    found = table[0][1]
    for (low, from_db), (high, to_db) in pairwise(table):
        if kbps >= low:
            found = from_db + (to_db - from_db) * (kbps - low) / (high - low)
    return found
