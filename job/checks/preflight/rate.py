"""Whether the bit rate can buy what the checklist asks for. Figures: docs/preflight.md."""

from job.checks.finding import Finding, error, note, warning
from job.verdict.checklist_spec import Checklist
from job.verdict.rate import MEASURED_AT_HZ, Rate, fit, honest_amplitude


def about_rate(kbps: float, sample_rate: int, checklist: Checklist, *, lapped: bool) -> list[Finding]:
    """What the rate can be hoped to reach, and limits of the checklist that lie beyond it.

    The checklist is read as the run will be judged: with the default's limits fitted to the rate. A `lapped` model has
    a lapped transform and frames that differ in their codes.
    """
    rate = Rate(kbps, sample_rate, lapped)
    bound, usual = rate.bound_db, rate.usual_db
    hoped = "for such a model" if lapped else "when converged (Opus)"
    figures = f"{kbps:.3g} kbit/s: about {usual:.0f} dB SNR {hoped}, never above {bound:.0f} dB"
    findings = [note("rate", figures)]
    bands = dict(fit(checklist, rate).bands())
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
        elif bad is not None and bad > converged:
            said = f"{where}.bad_below {bad:g}: what {kbps:.3g} kbit/s usually give ({converged:.2g}) would be stopped"
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
