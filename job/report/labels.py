"""What a page calls each metric. docs/architecture.md defines them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """A metric's heading, its unit, and what it says in one line."""

    name: str
    title: str
    unit: str
    says: str
    group: str
    log: bool = False
    """Whether a wide range of values is drawn on a logarithmic axis."""


QUALITY, LEVEL, CODES, TRAINING, OTHER = "Quality", "Level and place", "Code use", "Training", "Other figures"
GROUPS = (QUALITY, LEVEL, CODES, TRAINING, OTHER)

_METRICS = (
    Metric("loss", "Loss", "", "L1 + commitment error, unweighted", QUALITY, log=True),
    Metric("snr_db", "SNR", "dB", "silence scores 0; more is better", QUALITY),
    Metric("si_sdr_db", "SI-SDR", "dB", "SNR whatever the gain; a gap to SNR is a gain error", QUALITY),
    Metric("correlation", "Correlation", "", "of decoded and original; 0 means nothing gets through", QUALITY),
    Metric("l1", "L1", "", "mean absolute error", QUALITY, log=True),
    Metric("l1_ratio", "L1 ratio", "", "L1 over the signal's own; silence scores 1", QUALITY),
    Metric("mel_distance", "Mel distance", "", "mean difference of log mel spectra", QUALITY),
    Metric("amplitude", "Amplitude", "", "level of decoded over original; 1 is right", LEVEL),
    Metric("dc_offset", "DC offset", "", "mean of decoded, over the original's spread", LEVEL),
    Metric("dc_original", "DC of the clips", "", "the offset that the clips have themselves", LEVEL),
    Metric("lag", "Lag", "samples", "by which the decoded audio comes late; 0 is right", LEVEL),
    Metric("perplexity", "Perplexity", "", "share of the codebook in use, mean over stages", CODES),
    Metric("codes_used", "Codes used", "", "share of codes chosen at all, mean over stages", CODES),
    Metric("vq", "Commitment error", "", "mean over stages of the latents' squared error", CODES, log=True),
    Metric("latent_power", "Latent power", "", "mean square of the quantizer's input", CODES, log=True),
    Metric("dead_codebook_steps", "Dead codebook steps", "steps", "in a row with vq >= latent power", CODES),
    Metric("mel_loss", "Mel loss", "", "training objective", TRAINING, log=True),
    Metric("feature_loss", "Feature loss", "", "training objective", TRAINING, log=True),
    Metric("adversarial_loss", "Adversarial loss", "", "training objective of the generator", TRAINING, log=True),
    Metric("disc_loss", "Discriminator loss", "", "2.00 means that it has nothing to say", TRAINING, log=True),
    Metric("grad_norm", "Gradient norm", "", "before clipping", TRAINING, log=True),
    Metric("lr", "Learning rate", "", "of the step", TRAINING, log=True),
    Metric("audio_seconds_per_second", "Speed", "s/s", "seconds of audio trained on per second", TRAINING),
    Metric("nonfinite_steps", "Non-finite steps", "steps", "in all; such a step changes nothing", TRAINING),
    Metric("nonfinite_run", "Non-finite run", "steps", "the longest run of them since the last row", TRAINING),
)
_KNOWN = {metric.name: metric for metric in _METRICS}
NO_METRICS = frozenset({"step", "epoch", "time", "crops"})
"""Where and when a row was written, not how good the model is."""


def of(name: str) -> Metric:
    """The words for a metric; for one that codecjob does not know, its own name."""
    return _KNOWN.get(name) or Metric(name, name, "", "", OTHER)


def ordered(names: set[str]) -> list[Metric]:
    """The metrics among some names of values, in the order of the page."""
    places = {name: at for at, name in enumerate(_KNOWN)}
    return [of(name) for name in sorted(names - NO_METRICS, key=lambda name: (places.get(name, len(places)), name))]
