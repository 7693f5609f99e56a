"""How far apart two sounds are to the ear, at several scales of time."""

import torch
from torch import Tensor, nn

# Windows in samples, from the click to the vowel, and their bands (Kumar et al. 2023, DAC, section 3.4).
SCALES = ((32, 5), (64, 10), (128, 20), (256, 40), (512, 80), (1024, 160), (2048, 320))
FLOOR = 1e-5


class MultiScaleMel(nn.Module):
    """Sum over SCALES of the mean |log10 mel(x) - log10 mel(y)|. [B, 1, T] twice -> scalar."""

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        from torchaudio.functional import melscale_fbanks

        for window, bands in SCALES:
            filters = melscale_fbanks(window // 2 + 1, 0.0, sample_rate / 2, bands, sample_rate)
            self.register_buffer(f"filters{window}", filters, persistent=False)
            self.register_buffer(f"window{window}", torch.hann_window(window), persistent=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:  # noqa: D102
        return torch.stack(
            [(self._log_mel(x, window) - self._log_mel(y, window)).abs().mean() for window, _ in SCALES]
        ).sum()

    def _log_mel(self, audio: Tensor, size: int) -> Tensor:
        window, filters = self.get_buffer(f"window{size}"), self.get_buffer(f"filters{size}")
        spectrum = torch.stft(
            audio[:, 0].float(), size, size // 4, window=window, pad_mode="constant", return_complex=True
        )
        # The root of the power, never the modulus itself: that has no gradient where it is 0.
        power = torch.view_as_real(spectrum).square().sum(-1)
        magnitude = (power + FLOOR**2).sqrt()  # [B, bins, frames]
        return torch.log10((magnitude.transpose(1, 2) @ filters).clamp(min=FLOOR))
