"""Causes that validation rows show.

A cause condemns a run only where the table decides, and only at a row that the table does not find good: an oddity
beside good figures is a warning. Soft ones need several rows in a row; a row without them clears the count, a row
without the metric does neither.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from job.verdict.rate import MEASURED_AT_HZ, Rate, honest_amplitude
from job.verdict.rows import Row, is_baseline
from job.verdict.rules.evidence import TrainingEvidence
from job.verdict.rules.limits import Limit
from job.verdict.rules.stages import USUAL_SIZE
from job.verdict.signs import Sign, State

# An amplitude below this share of the honest one, at an SNR where the honest one is worth speaking of; and what is far
# above it.
SHRUNK, HONEST_FROM_DB, LOUD = 0.5, 2.0, 0.3
# So few codes tell half a bit a frame, however small the codebook; that many in use at all tell more.
NEAR_ONE_CODE, SOME_CODES = 1.5, 2.5
# With so few crops there are fewer frames than codes, and little use means nothing.
CROPS_TO_COUNT_CODES = 8.0
# A best lag of an output that has nothing to do with the input is chance. It has to do with it where they correlate,
# or where its spectrum has come so near, as a share of the untrained model's distance.
RELATED, RELATED_SPECTRUM = 0.05, 0.6
# Lags of healthy runs at a low SNR are chance, too, and mostly this small: measured -8, 4, 1, 1, 0 (docs/bad-signs.md).
CHANCE_LAG = 2.0
# Beyond these a correlation can't be told from SNR and amplitude.
BLOWN_UP_DB, NEAR_SILENCE = -10.0, 0.05
# A copy: what no quantizer leaves of a signal at an SNR worth speaking of.
COPIED_DB = 5.0
# These act at once, or never: their own conditions say when.
ALWAYS = frozenset({"trivial", "bypassed_codes"})
# Also next to good figures.
EVEN_IF_GOOD = frozenset({"bypassed_codes"})
WARNINGS = frozenset(
    {"few_crops", "skipped_steps", "overfitting", "worst_crops", "clipped", "high_band", "loud", "rate_above_setting"}
)
WITHHOLDING = frozenset({"few_crops", "dead_stages"})
# What explains a high loss by itself.
CODEBOOKS = frozenset({"codebook_collapse", "dead_stages", "missed_codes"})
# What stands before dead stages in the chain.
BEFORE_STAGES = frozenset({"bypassed_codes", "empty_training", "codebook_collapse"})
# What a row that has blown up may still prove: what stands before the blow-up in the chain.
BEFORE_BLOW_UP = CODEBOOKS | {"dc_shift", "no_learning_rate", "rate_above_setting"}


@dataclass(frozen=True)
class Context:
    """What a row is read against."""

    evidence: TrainingEvidence = field(default_factory=TrainingEvidence)
    codebook_size: float | None = None
    steps_per_epoch: float | None = None
    rate: Rate | None = None
    baseline: Row | None = None  # the untrained model's row
    before: Row | None = None  # the validation row before


@dataclass(frozen=True)
class Seen:
    """A cause that a row shows: in words, as a number, against what."""

    message: str
    value: float
    threshold: str
    alone: bool = True  # False: a cause where the table is bad, and nothing without that


Look = Callable[[Row, float, Context], Seen | None]


class ValidationCauses:
    """Reads validation rows in order and counts what they show."""

    def __init__(self, limits: Mapping[str, Limit | None], first_epoch: int, evidence: TrainingEvidence) -> None:
        self._limits = limits
        self._first_epoch = first_epoch
        self._context = Context(evidence)
        self._rows: dict[str, int] = {}

    def new_attempt(self, start: Row, rate: Rate | None) -> None:
        """A process has started, with a model of that rate."""
        size = start.get("codebook_size") or self._context.codebook_size
        steps = start.get("steps_per_epoch") or self._context.steps_per_epoch
        self._context = replace(self._context, codebook_size=size, steps_per_epoch=steps, rate=rate)

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
            self._rows[name] = self._rows.get(name, 0) + (acting and seen.alone) if seen else 0
            if seen:
                signs.append(self._sign(row, name, seen, limit, acting, good))
        # A best lag before training is chance: the baseline is no row before.
        baseline = row if is_baseline(row) else self._context.baseline
        self._context = replace(self._context, before=row, baseline=baseline)
        return signs

    def _sign(self, row: Row, name: str, seen: Seen, limit: Limit, acting: bool, good: bool) -> Sign:
        threshold = seen.threshold + (f" in {limit.rows} rows" if limit.rows > 1 else "")
        sign = Sign.at(row, name, State.UNDECIDED, seen.message, seen.value, threshold)
        if name in WARNINGS:
            return sign.as_warning()
        if not acting:
            return sign.muted()
        if name == "trivial":
            # Later a run may have earned such figures.
            good = row.epoch is None or row.epoch > self._first_epoch
        if good and name not in EVEN_IF_GOOD:
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
    if (row.get("crops") or math.inf) < CROPS_TO_COUNT_CODES:
        return None
    enough = max(limit, SOME_CODES / size) if size else limit
    if used is not None and enough < used <= 1:
        return None
    # A share of the codebook, or a number of codes as some trainers write: that is never below 1.
    codes = perplexity if perplexity >= 1 else perplexity * size if size else math.inf
    share = perplexity if perplexity < 1 else perplexity / size if size else math.inf
    if share >= limit and codes >= NEAR_ONE_CODE:
        return None
    shown = f"{share:.2%} of their codes" if share < 1 else f"{codes:.2f} codes"
    return Seen(f"the codebooks have collapsed: a stage uses {shown} on average", perplexity, f"< {limit:.0%}")


def _missed_codes(row: Row, limit: float, context: Context) -> Seen | None:
    missed = context.evidence.missed
    if missed is None or missed < limit or not row.step:
        return None
    said = f"the codes miss the latents by {missed:.0%} of the latents' own power: they tell almost nothing"
    return Seen(said, missed, f">= {limit:.0%}", alone=False)


def _unmoved(row: Row, limit: float, context: Context) -> Seen | None:
    baseline = context.baseline
    if baseline is None or not row.step:
        return None
    pairs = [(row.get(name), baseline.get(name)) for name in ("snr_db", "amplitude", "mel_distance")]
    known = [(now, then) for now, then in pairs if now is not None and then is not None]
    if len(known) < len(pairs) or any(abs(now - then) > limit * max(abs(then), 0.5) for now, then in known):
        return None
    said = "the held-out figures are those of the untrained model: the weights do not move"
    return Seen(said, 0.0, f"within {limit:.1%} of the baseline's")


def _empty_training(row: Row, limit: float, context: Context) -> Seen | None:
    l1, trained = row.values["l1"], context.evidence.l1
    if trained is None or trained > limit * l1 or not row.step:
        return None
    said = f"L1 is {trained:.2g} in training and {l1:.3g} on held-out crops: batches are silent, or all the same"
    return Seen(said, trained, f"<= {limit:g} of the held-out L1", alone=False)


def _unlike_training(row: Row, limit: float, context: Context) -> Seen | None:
    l1, trained = row.values["l1"], context.evidence.l1
    if trained is None or l1 < limit * trained or not row.step:
        return None
    said = f"L1 is {l1:.3g} on held-out crops and {trained:.2g} in training: training hears other audio"
    return Seen(said, l1, f">= {limit:g} times the training L1", alone=False)


def _bypassed_codes(row: Row, limit: float, context: Context) -> Seen | None:
    snr, rate = row.values["snr_db"], context.rate
    if not row.step and not row.epoch:
        return None
    if row.get("vq") == 0 and snr > COPIED_DB and _one_code(row, context):
        return Seen(f"{snr:.0f} dB with a commitment error of 0 and one code a stage", snr, "no quantizer does that")
    if rate is None or rate.sample_rate != MEASURED_AT_HZ or snr <= rate.bound_db + limit:
        return None
    said = f"{snr:.0f} dB are more than {rate.kbps:.3g} kbit/s can carry ({rate.bound_db:.0f} dB)"
    return Seen(said, snr, f"> {rate.bound_db:.1f} + {limit:g} dB")


def _one_code(row: Row, context: Context) -> bool:
    perplexity = row.get("perplexity")
    size = 1.0 if perplexity and perplexity >= 1 else context.codebook_size or USUAL_SIZE
    return perplexity is not None and perplexity * size < NEAR_ONE_CODE


def _gain_fault(row: Row, limit: float, _: Context) -> Seen | None:
    snr, si_sdr, amplitude = row.values["snr_db"], row.get("si_sdr_db"), row.get("amplitude")
    if si_sdr is not None and si_sdr > 0 and si_sdr - snr > limit:
        said = f"the output's gain is wrong: scaled rightly it would reach {si_sdr:.1f} dB, as it is {snr:.1f} dB"
        return Seen(said, si_sdr - snr, f"si_sdr_db > snr_db + {limit:g}")
    if amplitude is None or snr < HONEST_FROM_DB:
        return None
    honest = honest_amplitude(snr)
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
    # A copy of clips that are shifted themselves is shifted rightly; a loud output shows its small offset larger.
    offset = row.values["dc_offset"] - (row.get("dc_original") or 0.0)
    if not abs(offset) > limit * max(row.get("amplitude") or 0.0, 1.0):
        return None
    said = f"the output is shifted by {offset:.2f} of the input's deviation"
    if row.values.get("amplitude", math.inf) < NEAR_SILENCE:
        said = f"the output is a constant, {offset:.2f} of the input's deviation"
    return Seen(said, offset, f"abs > {limit:g}")


def _misalignment(row: Row, limit: float, context: Context) -> Seen | None:
    lag, rho, mel = row.values["lag"], row.get("correlation"), row.get("mel_distance")
    before = context.before
    earlier = before.get("lag") if before and not is_baseline(before) else None
    steady = earlier is None or abs(lag - earlier) <= 1
    far = context.baseline.get("mel_distance") if context.baseline else None
    near = mel is not None and far is not None and mel <= RELATED_SPECTRUM * far
    related = rho is None or abs(rho) >= RELATED or near
    silent = row.values.get("amplitude", math.inf) < 2 * NEAR_SILENCE
    if abs(lag) < limit or silent or not (steady and related):
        return None
    said = f"the output is misaligned: it comes {lag:.0f} samples late"
    return Seen(said, lag, f"abs >= {limit:g}, steady", alone=abs(lag) > CHANCE_LAG)


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


def _overfitting(row: Row, limit: float, _: Context) -> Seen | None:
    gap = row.values["train_snr_db"] - row.values["snr_db"]
    if gap <= limit or not row.step:
        return None
    return Seen(f"crops that were learnt from are {gap:.1f} dB better than held-out ones", gap, f"> {limit:g} dB")


def _worst_crops(row: Row, limit: float, _: Context) -> Seen | None:
    worst, snr = row.values["snr_db_worst"], row.get("snr_db")
    if worst >= limit or snr is None or snr <= COPIED_DB:
        return None
    said = f"the worst tenth of the crops has {worst:.1f} dB where the mean is {snr:.1f} dB"
    return Seen(said, worst, f"< {limit:g} dB")


def _clipped(row: Row, limit: float, _: Context) -> Seen | None:
    share = row.values["clipped"]
    if share <= limit or not row.step:
        return None
    return Seen(f"{share:.1%} of the output's samples are clipped", share, f"> {limit:.0%}")


def _high_band(row: Row, limit: float, _: Context) -> Seen | None:
    distance = row.values["high_band"]
    if distance <= limit or not row.step:
        return None
    return Seen(f"the band above 4 kHz is lost (distance {distance:.2f})", distance, f"> {limit:g}")


def _loud(row: Row, limit: float, _: Context) -> Seen | None:
    snr, amplitude = row.values["snr_db"], row.values["amplitude"]
    if snr < HONEST_FROM_DB or amplitude <= honest_amplitude(snr) + limit:
        return None
    said = f"the output is loud for its SNR: amplitude {amplitude:.2f} where {snr:.1f} dB go with"
    return Seen(f"{said} {honest_amplitude(snr):.2f}", amplitude, f"> sqrt(1 - 10^(-SNR/10)) + {limit:g}")


# What each cause needs and how it is looked for, in the order of the chain: what explains another stands before it.
LOOKS: dict[str, tuple[tuple[str, ...], Look]] = {
    "bypassed_codes": (("snr_db",), _bypassed_codes),
    "empty_training": (("l1",), _empty_training),
    "codebook_collapse": (("perplexity",), _codebook_collapse),
    "missed_codes": (("step",), _missed_codes),
    "inverted": (("correlation",), _inverted),
    "misalignment": (("lag",), _misalignment),
    "dc_shift": (("dc_offset",), _dc_shift),
    "gain_fault": (("snr_db",), _gain_fault),
    "unlike_training": (("l1",), _unlike_training),
    "unmoved": (("snr_db",), _unmoved),
    "zero_correlation": (("correlation",), _zero_correlation),
    "silent_plateau": (("l1_ratio",), _silent_plateau),
    "trivial": (("snr_db",), _trivial),
    "skipped_steps": (("step",), _skipped_steps),
    "few_crops": (("crops",), _few_crops),
    "overfitting": (("train_snr_db", "snr_db"), _overfitting),
    "worst_crops": (("snr_db_worst",), _worst_crops),
    "clipped": (("clipped",), _clipped),
    "high_band": (("high_band",), _high_band),
    "loud": (("snr_db", "amplitude"), _loud),
}
