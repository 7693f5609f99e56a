"""The names that trainers give to metrics: which metric of ours a foreign name means.

A name is taken apart into words: "val/SNR_dB", "eval_snr" and "Validation SNR (dB)" are all the SNR of a validation.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

VALIDATION_WORDS = frozenset({"val", "valid", "validation", "eval", "evaluation", "dev", "test", "heldout"})
TRAINING_WORDS = frozenset({"train", "training", "tr"})
# A figure beside one of these words is not the figure of this row.
_OTHER_FIGURES = frozenset(
    {"best", "max", "min", "lowest", "highest", "target", "goal", "expected", "threshold", "limit", "baseline"}
    | {"initial", "previous", "prev", "last", "delta", "std", "var", "median", "worst"}
)
# Words that say how a figure was made, and change nothing.
_EMPTY = frozenset({"db", "dbfs", "mean", "avg", "average", "metric", "metrics", "running"})

# Our name: names in words of other trainers, the one to prefer first.
ALIASES: dict[str, tuple[str, ...]] = {
    "step": (
        "global_step", "trainer_global_step", "step", "steps", "iteration", "iterations", "iter", "iters",
        "num_updates", "updates", "update", "optimizer_step", "it", "_step",
    ),
    "epoch": ("epoch", "epochs", "current_epoch", "ep", "trainer_epoch"),
    "time": ("time", "timestamp", "wall_time", "walltime", "_timestamp", "_runtime"),
    "loss": ("loss", "total_loss", "loss_total", "losses_total"),
    "l1": ("l1", "l1_loss", "loss_l1", "waveform_l1", "wav_l1", "wave_l1", "waveform_loss"),
    "vq": (
        "vq", "vq_loss", "loss_vq", "commitment_loss", "commit_loss", "commitment", "loss_commit", "vq_commitment_loss",
    ),
    "l1_ratio": ("l1_ratio",),
    "snr_db": ("snr", "snrdb", "signal_to_noise"),
    "si_sdr_db": ("si_sdr", "sisdr", "si_snr", "sisnr", "si_sdr_db", "scale_invariant_snr", "scale_invariant_sdr"),
    "amplitude": ("amplitude", "amplitude_ratio", "amp", "amp_ratio", "std_ratio", "rms_ratio"),
    "correlation": ("correlation", "corr", "rho", "pearson", "pearson_correlation"),
    "dc_offset": ("dc_offset", "dc"),
    "mel_distance": ("mel_distance", "mel_dist", "mel_error", "mel_l1", "mel_spec_error"),
    "perplexity": ("perplexity", "ppl", "codebook_perplexity", "vq_perplexity"),
    "codes_used": ("codes_used", "codebook_usage", "codebook_utilization", "code_usage"),
    "lr": ("lr", "learning_rate"),
    "grad_norm": ("grad_norm", "gradient_norm", "gnorm", "grad_norm_total", "total_grad_norm"),
    "crops": ("crops",),
    "latent_power": (),
    "nonfinite_steps": ("nan_steps", "skipped_steps"),
    "nonfinite_run": (),
    "dead_codebook_steps": (),
    "audio_seconds": (),
    "audio_seconds_per_second": (),
    "clipped": (),
    "high_band": (),
    "disc_loss": ("disc_loss", "d_loss", "loss_d", "loss_disc", "discriminator_loss", "adv_disc_loss", "total_loss_d"),
    "gen_loss": ("gen_loss", "g_loss", "loss_g", "loss_gen", "generator_loss", "total_loss_g", "gen_loss_total"),
    "adversarial_loss": ("adversarial_loss", "adv_loss", "loss_adv", "adv_gen_loss", "adversarial"),
    "feature_loss": (
        "feature_loss", "feat_loss", "fm_loss", "loss_fm", "feature_matching_loss", "adv_feat_loss", "loss_feat",
    ),
    "mel_loss": ("mel_loss", "loss_mel", "mel_spec_loss"),
}  # fmt: skip
_BY_ALIAS = {alias: (ours, rank) for ours, names in ALIASES.items() for rank, alias in enumerate((ours, *names))}
# Names of `codec train` that would read as another metric's.
_EXACT = frozenset({"train_snr_db", "snr_db_worst"})
# These belong to the row, whatever was measured in it.
SHARED = frozenset({"step", "epoch", "time"})
_STAGE = re.compile(r"(.+?)_(?:q|rvq|vq|cb|codebook|quantizer|stage|level|layer)?_?(\d{1,2})")


@dataclass(frozen=True)
class Meaning:
    """What a foreign name means."""

    ours: str
    phase: str | None = None
    """``train`` or ``validation``, where the name says it."""
    percent: bool = False
    stage: int | None = None
    rank: int = 0
    """Of several names for one metric in a row the lowest rank is read."""


@lru_cache(maxsize=4096)
def meaning(name: str) -> Meaning | None:
    """Return what a name means, or None where it means nothing known."""
    if name in _EXACT:
        return Meaning(name)
    percent = bool(re.search(r"%|\bpercent|_pct\b|\bpct\b", name.lower()))
    words = _words(name)
    phase = None
    for end in (0, -1):
        if len(words) > 1 and phase is None and (found := _phase(words[end])):
            phase = found
            del words[end]
    if any(word in _OTHER_FIGURES for word in words) and "_".join(words) not in _BY_ALIAS:
        return None
    found_alias = _look_up(words)
    if found_alias is None:
        return None
    ours, rank, stage = found_alias
    return Meaning(ours, None if ours in SHARED else phase, percent, stage, rank)


def phase_of(text: str) -> str | None:
    """``train`` or ``validation`` where one of the words of a text says so."""
    return next((found for word in _words(text) if (found := _phase(word))), None)


def _words(name: str) -> list[str]:
    text = re.sub(
        r"%|\((?:db|%)\)|\bpercent(?:age)?\b|_pct\b|\bpct\b|_percent\b", " ", name.strip(), flags=re.IGNORECASE
    )
    leading = "_" if re.match(r"_[a-z]", text) else ""  # W&B's own: _step, _runtime, _timestamp
    text = re.sub(r"dB\b", "db", text)
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", text)
    words = [word for word in re.split(r"[^a-z0-9]+", text.lower()) if word]
    if leading and words:
        words[0] = leading + words[0]
    return words


def _phase(word: str) -> str | None:
    if word in VALIDATION_WORDS:
        return "validation"
    return "train" if word in TRAINING_WORDS else None


def _look_up(words: list[str]) -> tuple[str, int, int | None] | None:
    """The metric, the rank of the name, and the stage where the name ends with one."""
    joined = "_".join(words)
    if joined in _BY_ALIAS:
        return (*_BY_ALIAS[joined], None)
    if staged := _STAGE.fullmatch(joined):
        base = _BY_ALIAS.get(staged[1])
        if base and base[0] in ("perplexity", "codes_used"):
            return (*base, int(staged[2]))
    # Lightning's `loss_step` and `loss_epoch`, `epoch_loss`, `lr-AdamW`, `lr/group0`.
    if words and words[0] == "lr" and not {"d", "disc", "discriminator"} & set(words):
        return ("lr", len(words), None)
    shorter = [word for word in words if word not in _EMPTY]
    if len(shorter) > 1 and shorter[-1] in ("step", "epoch"):
        shorter = shorter[:-1]
    elif len(shorter) > 1 and shorter[0] == "epoch" and shorter[1] != "time":
        shorter = shorter[1:]
    joined = "_".join(shorter)
    if shorter != words and joined in _BY_ALIAS and joined not in SHARED:
        ours, rank = _BY_ALIAS[joined]
        return (ours, rank + 1, None)
    return None
