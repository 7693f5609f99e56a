"""How near decoded audio is to the original. x is the original, y the decoded audio, in that order.

Pure functions over the last dimension, [..., T] -> [...], in float64. The caller cuts padding away
first. A NaN in y comes out as NaN: nothing here hides it.
"""

from functools import lru_cache

import torch
from torch import Tensor

# si_sdr_db of an output without any correlation, so that silence doesn't read as a broken number.
SI_SDR_FLOOR_DB = -100.0
MEL_BANDS = 80
HIGH_BAND_HZ = 4000.0
CLIPPED = 0.999  # tanh comes near 1 and never reaches it


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Mean of |x - y|."""
    return (x.double() - y.double()).abs().mean(-1)


def l1_ratio(x: Tensor, y: Tensor) -> Tensor:
    """Mean of |x - y| over mean of |x|: 1.0 is what silence scores."""
    return l1(x, y) / x.double().abs().mean(-1)


def snr_db(x: Tensor, y: Tensor) -> Tensor:
    """10 log10(sum x² / sum (x - y)²). 0 is what silence scores; a perfect copy is inf."""
    x, y = x.double(), y.double()
    return 10 * torch.log10(x.square().sum(-1) / (x - y).square().sum(-1))


def si_sdr_db(x: Tensor, y: Tensor) -> Tensor:
    """Scale-invariant SDR of zero-mean signals (Le Roux et al. 2019), at least SI_SDR_FLOOR_DB.

    With rho the correlation, the projection of y on x has power rho² and the rest 1 - rho².
    """
    power = correlation(x, y).square()
    return (10 * torch.log10(power / (1 - power).clamp(min=0))).clamp(min=SI_SDR_FLOOR_DB)


def amplitude(x: Tensor, y: Tensor) -> Tensor:
    """std(y) / std(x), means removed, so that an offset isn't taken for sound."""
    return _std(y) / _std(x)


def correlation(x: Tensor, y: Tensor) -> Tensor:
    """Pearson's rho. 0 where y is constant."""
    size = y.double().abs().amax(-1)
    x, y = _centred(x), _centred(y)
    norm = x.norm(dim=-1) * y.norm(dim=-1)
    # Removing the mean of a constant leaves rounding errors, which must not be taken for a signal.
    constant = y.abs().amax(-1) <= 1e-12 * size
    return torch.where(constant, 0.0, (x * y).sum(-1) / norm)


def dc_offset(x: Tensor, y: Tensor) -> Tensor:
    """mean(y) / std(x)."""
    return y.double().mean(-1) / _std(x)


def lag(x: Tensor, y: Tensor) -> Tensor:
    """Samples by which y comes late: where |cross-correlation| is largest; 0 where y is constant.

    The absolute value, because a flipped sign is the correlation's to report, not a delay of half a
    pitch period.
    """
    samples = x.shape[-1]
    size = 2 * samples
    spectrum = torch.fft.rfft(_centred(y), size) * torch.fft.rfft(_centred(x), size).conj()
    strength = torch.fft.irfft(spectrum, size).abs()  # index k is lag k, or k - size where k > size / 2
    best = strength.argmax(-1)  # the first one, 0, where all are equal
    return torch.where(best >= samples, best - size, best)


def clipped(y: Tensor) -> Tensor:
    """Share of samples at the limit of the output, which is 1."""
    return (y.abs() >= CLIPPED).double().mean(-1)


def mel_distance(x: Tensor, y: Tensor, sample_rate: int, above: float = 0.0) -> Tensor:
    """Mean |log10 mel(x) - log10 mel(y)| over frames and the bands centred at `above` Hz or higher.

    mel: 80 HTK bands from 0 to half the rate of the magnitude spectrogram (Hann window of 1024
    samples, hop 256, zero-padded at the ends), at least 1e-5.
    """
    return mean_of_bands(mel_difference(x, y, sample_rate), sample_rate, above)


def mel_difference(x: Tensor, y: Tensor, sample_rate: int) -> Tensor:
    """|log10 mel(x) - log10 mel(y)|, [..., bands, frames], as `mel_distance` defines mel."""
    return (_log_mel(x, sample_rate) - _log_mel(y, sample_rate)).abs()


def mean_of_bands(difference: Tensor, sample_rate: int, above: float = 0.0) -> Tensor:
    """Mean of a `mel_difference` over frames and the bands centred at `above` Hz or higher, [...]."""
    return difference[..., _bands_below(above, sample_rate) :, :].mean((-2, -1))


def _bands_below(frequency: float, sample_rate: int) -> int:
    """How many of the mel bands are centred below a frequency in Hz; HTK: 2595 log10(1 + f / 700)."""
    mel = torch.tensor([frequency, sample_rate / 2], dtype=torch.float64)
    wanted, top = (2595 * torch.log10(1 + mel / 700)).tolist()
    centres = [top * (band + 1) / (MEL_BANDS + 1) for band in range(MEL_BANDS)]
    return sum(centre < wanted for centre in centres)


def _log_mel(x: Tensor, sample_rate: int) -> Tensor:
    spectrogram = _mel(sample_rate).to(x.device)
    return torch.log10(spectrogram(x.double()).clamp(min=1e-5))


@lru_cache(maxsize=1)
def _mel(sample_rate: int) -> torch.nn.Module:
    import torchaudio

    transform = torchaudio.transforms.MelSpectrogram(
        sample_rate, n_fft=1024, hop_length=256, n_mels=MEL_BANDS, power=1.0, pad_mode="constant"
    )
    return transform.double()  # type: ignore[no-any-return]


def _centred(x: Tensor) -> Tensor:
    x = x.double()
    return x - x.mean(-1, keepdim=True)


def _std(x: Tensor) -> Tensor:
    return _centred(x).square().mean(-1).sqrt()
