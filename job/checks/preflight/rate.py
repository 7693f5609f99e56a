"""Whether the bit rate can buy what the checklist asks for. Figures: docs/preflight.md."""

import math
from collections.abc import Sequence

import numpy as np

from job.checks.finding import Finding, error, note, warning
from job.verdict.checklist_spec import Checklist

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


def snr_bound_db(kbps: float) -> float:
    """The SNR that nothing exceeds at this rate, on 16 kHz speech."""
    return _read(BOUND, kbps)


def snr_usual_db(kbps: float, lapped: bool) -> float:
    """The SNR of Opus at this rate: about what L1 and VQ training converges to, but for a `lapped` model."""
    return _read(LAPPED if lapped else OPUS, kbps)


def honest_amplitude(snr_db: float) -> float:
    """The amplitude ratio of the best decoder at an SNR of at least 0 dB: sqrt(1 - 10^(-SNR/10))."""
    return math.sqrt(max(1 - 10 ** (-snr_db / 10), 0.0))


def about_rate(kbps: float, sample_rate: int, checklist: Checklist, *, lapped: bool) -> list[Finding]:
    """What the rate can be hoped to reach, and limits of the checklist that lie beyond it.

    A `lapped` model has a lapped transform and frames that differ in their codes.
    """
    bound, usual = snr_bound_db(kbps), snr_usual_db(kbps, lapped)
    hoped = "for such a model" if lapped else "when converged (Opus)"
    figures = f"{kbps:.3g} kbit/s: about {usual:.0f} dB SNR {hoped}, never above {bound:.0f} dB"
    findings = [note("rate", figures)]
    bands = dict(checklist.bands())
    out_of_reach = {
        "snr_db": (bound, usual),
        "amplitude": (honest_amplitude(bound), honest_amplitude(usual)),
    }
    for metric, (at_best, converged) in out_of_reach.items():
        if metric not in bands:
            continue
        good, bad = bands[metric].good_above, bands[metric].bad_below
        where = f"checklist.signs.{metric}"
        if bad is not None and bad > at_best:
            said = f"{where}.bad_below {bad:g}: even a perfect codec of {kbps:.3g} kbit/s would be stopped"
        elif good is not None and good > at_best:
            said = f"{where}.good_above {good:g}: no codec of {kbps:.3g} kbit/s reaches it ({at_best:.2g} at best)"
        elif good is not None and good > converged:
            said = f"{where}.good_above {good:g}: more than {kbps:.3g} kbit/s usually give ({converged:.2g})"
            preset = "" if lapped else ", or take a preset with more SNR for its bits, such as 16khz-24kbps"
            findings.append(warning("rate", f"{said}; {_mend()}{preset}"))
            continue
        else:
            continue
        # The figures are of 16 kHz speech; at other rates they are a guide only.
        weigh = error if sample_rate == MEASURED_AT_HZ else warning
        findings.append(weigh("rate", f"{said}; {_mend()}"))
    return findings


def _mend() -> str:
    return "lower the limit, or raise the rate (smaller train.strides, more codes a frame)"


def _read(table: Sequence[tuple[float, float]], kbps: float) -> float:
    """Linear between the points, and on from the last two."""
    rates, levels = zip(*table, strict=True)
    if kbps <= rates[-1]:
        return float(np.interp(kbps, rates, levels))
    slope = (levels[-1] - levels[-2]) / (rates[-1] - rates[-2])
    return float(levels[-1] + slope * (kbps - rates[-1]))
