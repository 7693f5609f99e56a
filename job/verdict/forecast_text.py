"""A forecast in words, the same in `status`, in the report and while following."""

from job.verdict.forecast import Forecast, Price

UNITS = {"snr_db": ("SNR", "{:.1f}", " dB"), "mel_distance": ("mel distance", "{:.2f}", "")}
# Less than this is not worth a step and a price.
LIKELY = 0.5


def in_short(found: Forecast) -> str:
    """What is expected at the end, such as "SNR 8.4 dB at the end (7.1 to 9.6)"."""
    name, form, unit = UNITS[found.metric]
    value, low, high = (form.format(figure) for figure in (found.value, found.low, found.high))
    return f"{name} {value}{unit} at the end ({low} to {high})"


def in_words(found: Forecast, price: Price) -> str:
    """The whole forecast in one line: the end of the plan with its interval; when and for how much GOOD is reached."""
    name, form, unit = UNITS[found.metric]
    value, low, high = (form.format(figure) for figure in (found.value, found.low, found.high))
    end = f"about {name} {value}{unit} at step {found.step:,} (80% between {low} and {high})"
    if found.good is None or found.chance is None:
        return end
    limit = f"{name} {'<' if found.metric == 'mel_distance' else '>'} {found.good:g}{unit}"
    if found.is_good:
        return f"{end}; {limit} is reached"
    if found.good_step is None or found.chance < LIKELY:
        return f"{end}; {limit} is unlikely: {found.chance:.0%}"
    left = "" if price.seconds is None else f", in {_duration(price.seconds)}"
    usd = "" if not price.usd else f", {price.usd:.2f} USD"
    return f"{end}; {limit} likely at step {found.good_step:,}{left}{usd}"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
