"""Causes that validation rows show.

A cause condemns a run only where the table decides, and only at a row that the table does not find good: an oddity
beside good figures is a warning. Soft ones need several rows in a row; a row without them clears the count, a row
without the metric does neither.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from job.verdict.rows import Row
from job.verdict.rules.limits import Limit
from job.verdict.signs import Sign, State

# An amplitude below this share of the honest one, at an SNR where the honest one is worth speaking of.
SHRUNK, HONEST_FROM_DB = 0.5, 2.0
# So few codes tell half a bit a frame, however small the codebook.
NEAR_ONE_CODE = 1.5
# With so few crops there are fewer frames than codes, and little use means nothing.
CROPS_TO_COUNT_CODES = 8.0
# A best lag of an output that has nothing to do with the input is chance.
RELATED = 0.05
# Beyond these a correlation can't be told from SNR and amplitude.
BLOWN_UP_DB, NEAR_SILENCE = -10.0, 0.05
# These act at once, or never: their own conditions say when.
ALWAYS = frozenset({"trivial"})
WARNINGS = frozenset({"few_crops", "skipped_steps"})
WITHHOLDING = frozenset({"few_crops"})


@dataclass(frozen=True)
class Context:
    """What a row is read against."""

    codebook_size: float | None = None
    steps_per_epoch: float | None = None
    before: Row | None = None  # the validation row before


@dataclass(frozen=True)
class Seen:
    """A cause that a row shows: in words, as a number, against what."""

    message: str
    value: float
    threshold: str


Look = Callable[[Row, float, Context], Seen | None]


class ValidationCauses:
    """Reads validation rows in order and counts what they show."""

    def __init__(self, limits: Mapping[str, Limit | None], first_epoch: int) -> None:
        self._limits = limits
        self._first_epoch = first_epoch
        self._context = Context()
        self._rows: dict[str, int] = {}

    def new_attempt(self, start: Row) -> None:
        """A process has started."""
        size = start.get("codebook_size") or self._context.codebook_size
        steps = start.get("steps_per_epoch") or self._context.steps_per_epoch
        self._context = replace(self._context, codebook_size=size, steps_per_epoch=steps)

    def see(self, row: Row, decisive: bool, good: bool) -> list[Sign]:
        """The causes that a row shows; bad ones where ``decisive`` and the table does not find the row ``good``."""
        row = _with_correlation(row)
        signs = []
        for name, (needs, look) in LOOKS.items():
            limit = self._limits.get(name)
            values = [row.get(metric) for metric in needs]
            if limit is None or any(value is None or math.isnan(value) for value in values):
                continue
            seen = look(row, limit.limit, self._context)
            # Rows of the grace leave no strikes.
            acting = decisive or name in ALWAYS
            self._rows[name] = self._rows.get(name, 0) + acting if seen else 0
            if seen:
                signs.append(self._sign(row, name, seen, limit, acting, good))
        self._context = replace(self._context, before=row)
        return signs

    def _sign(self, row: Row, name: str, seen: Seen, limit: Limit, acting: bool, good: bool) -> Sign:
        threshold = seen.threshold + (f" in {limit.rows} rows" if limit.rows > 1 else "")
        sign = Sign.at(row, name, State.UNDECIDED, seen.message, seen.value, threshold)
        if name in WARNINGS:
            return sign.as_warning()
        if not acting:
            return sign.muted()
        if name in ALWAYS:
            # Later a run may have earned such figures.
            good = row.epoch is None or row.epoch > self._first_epoch
        if good:
            return sign.as_warning()
        return replace(sign, state=State.BAD) if self._rows[name] >= limit.rows else sign


def _with_correlation(row: Row) -> Row:
    """The row with its correlation, where it says only from what that follows.

    With g = std(y)/std(x), d = mean(y)/std(x) and N = sum((x-y)²)/sum(x²) of a zero-mean x, N = 1 - 2 g rho + g² + d².
    """
    snr, g, d = row.get("snr_db"), row.get("amplitude"), row.get("dc_offset") or 0.0
    if "correlation" in row.values or snr is None or g is None:
        return row
    if not (snr > BLOWN_UP_DB and NEAR_SILENCE < g < 1 / NEAR_SILENCE and abs(d) < 1 / NEAR_SILENCE):
        return row
    rho = (1 + g * g + d * d - 10 ** (-snr / 10)) / (2 * g)
    return replace(row, values={**row.values, "correlation": rho}) if abs(rho) <= 1 else row


def _zero_correlation(row: Row, limit: float, _: Context) -> Seen | None:
    rho = row.values["correlation"]
    if abs(rho) >= limit:
        return None
    return Seen(f"the output has nothing to do with the input (correlation {rho:.3f})", rho, f"abs < {limit:g}")


def _silent_plateau(row: Row, limit: float, _: Context) -> Seen | None:
    ratio = row.values["l1_ratio"]
    if ratio < limit:
        return None
    return Seen(f"the output is no better than silence (l1_ratio {ratio:.3f})", ratio, f">= {limit:g}")


def _codebook_collapse(row: Row, limit: float, context: Context) -> Seen | None:
    perplexity, used, size = row.get("perplexity") or 0.0, row.get("codes_used"), context.codebook_size
    if (row.get("crops") or math.inf) < CROPS_TO_COUNT_CODES or (used is not None and limit < used <= 1):
        return None
    # A share of the codebook, or a number of codes as some trainers write: that is never below 1.
    codes = perplexity if perplexity >= 1 else perplexity * size if size else math.inf
    share = perplexity if perplexity < 1 else perplexity / size if size else math.inf
    if share >= limit and codes >= NEAR_ONE_CODE:
        return None
    shown = f"{share:.2%} of their codes" if share < 1 else f"{codes:.2f} codes"
    return Seen(f"the codebooks have collapsed: a stage uses {shown} on average", perplexity, f"< {limit:.0%}")


def _gain_fault(row: Row, limit: float, _: Context) -> Seen | None:
    snr, si_sdr, amplitude = row.values["snr_db"], row.get("si_sdr_db"), row.get("amplitude")
    if si_sdr is not None and si_sdr > 0 and si_sdr - snr > limit:
        said = f"the output's gain is wrong: scaled rightly it would reach {si_sdr:.1f} dB, as it is {snr:.1f} dB"
        return Seen(said, si_sdr - snr, f"si_sdr_db > snr_db + {limit:g}")
    if amplitude is None or snr < HONEST_FROM_DB:
        return None
    honest = math.sqrt(1 - 10 ** (-snr / 10))
    if amplitude < SHRUNK * honest:
        said = f"the output's gain is wrong: amplitude {amplitude:.2f} where {snr:.1f} dB go with {honest:.2f}"
        return Seen(said, amplitude, f"< {SHRUNK:g} of sqrt(1 - 10^(-SNR/10))")
    return None


def _inverted(row: Row, limit: float, _: Context) -> Seen | None:
    rho = row.values["correlation"]
    if rho >= limit:
        return None
    return Seen(f"the output is upside down (correlation {rho:.2f})", rho, f"< {limit:g}")


def _dc_shift(row: Row, limit: float, _: Context) -> Seen | None:
    # A copy of clips that are shifted themselves is shifted rightly.
    offset = row.values["dc_offset"] - (row.get("dc_original") or 0.0)
    if not abs(offset) > limit:
        return None
    return Seen(f"the output is shifted by {offset:.2f} of the input's deviation", offset, f"abs > {limit:g}")


def _misalignment(row: Row, limit: float, context: Context) -> Seen | None:
    lag, rho = row.values["lag"], row.get("correlation")
    before = context.before.get("lag") if context.before else None
    steady = before is None or abs(lag - before) <= 1
    related = rho is None or abs(rho) >= RELATED
    if abs(lag) < limit or not (steady and related):
        return None
    return Seen(f"the output is misaligned: it comes {lag:.0f} samples late", lag, f"abs >= {limit:g}, steady")


def _skipped_steps(row: Row, limit: float, context: Context) -> Seen | None:
    steps_per_epoch, since = context.steps_per_epoch, context.before
    if not steps_per_epoch or since is None or since.attempt != row.attempt:
        return None
    if None in (row.step, row.epoch, since.step, since.epoch):
        return None
    done, planned = row.step - since.step, (row.epoch - since.epoch) * steps_per_epoch  # type: ignore[operator]
    if planned <= 0 or done >= (1 - limit) * planned:
        return None
    said = f"{done} steps were counted where an epoch has {steps_per_epoch:.0f}"
    return Seen(said, done, f">= {1 - limit:.0%} of the steps")


def _trivial(row: Row, limit: float, _: Context) -> Seen | None:
    snr = row.values["snr_db"]
    if snr <= limit or not row.step:
        return None
    return Seen(f"{snr:.0f} dB of SNR are too good to be true so early", snr, f"> {limit:g}")


def _few_crops(row: Row, limit: float, _: Context) -> Seen | None:
    crops = row.values["crops"]
    if crops >= limit:
        return None
    return Seen(f"{crops:.0f} validation crops are too few to judge by", crops, f"< {limit:g}")


# What each cause needs and how it is looked for. Causes stand before their symptoms.
LOOKS: dict[str, tuple[tuple[str, ...], Look]] = {
    "codebook_collapse": (("perplexity",), _codebook_collapse),
    "zero_correlation": (("correlation",), _zero_correlation),
    "inverted": (("correlation",), _inverted),
    "misalignment": (("lag",), _misalignment),
    "gain_fault": (("snr_db",), _gain_fault),
    "dc_shift": (("dc_offset",), _dc_shift),
    "silent_plateau": (("l1_ratio",), _silent_plateau),
    "trivial": (("snr_db",), _trivial),
    "skipped_steps": (("step",), _skipped_steps),
    "few_crops": (("crops",), _few_crops),
}
