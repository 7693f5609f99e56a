"""Named settings for a rate: `--preset NAME`. A flag that is given beside it overrides the preset's."""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Preset:
    """Flags of the trainer, and the SNR that one may hope for after a full training on speech. Not a promise."""

    purpose: str
    snr_hope_db: float
    flags: dict[str, Any] = field(default_factory=dict)


def _speech(rate: int, strides: tuple[int, ...], stages: int, hidden_dim: int) -> dict[str, Any]:
    return {
        "sample_rate": rate,
        "strides": strides,
        "num_quantizers": stages,
        "codebook_size": 1024,
        "codebook_dim": 64,
        "hidden_dim": hidden_dim,
        "segment_length": rate,
        "quantizer_dropout": 0.5,
    }


def _varying(rate: int, strides: tuple[int, ...], mean: int, stages: int) -> dict[str, Any]:
    """Frames with as many stages as they need, around a lapped transform: the most SNR for the bits."""
    return _speech(rate, strides, stages, 512) | {
        "mean_quantizers": mean,
        "codebook_size": 256,
        "codebook_dim": math.prod(strides),
        "transform": "mdct",
    }


# A stage of 1024 codes is 10 bits a frame, one of 256 is 8. Those of 6 kbit/s are small, to run many times faster than
# sound on one CPU core. Hopes: docs/codec.md has what other coders reach on 16 kHz speech.
PRESETS = {
    "16khz-2kbps": Preset("least data; for ears, train it perceptual", 3, _speech(16000, (4, 4, 4, 5), 4, 512)),
    "16khz-6kbps": Preset("small and fast on a CPU", 6, _speech(16000, (4, 4, 4, 5), 12, 256)),
    "16khz-12kbps": Preset("good speech, and at 6, too", 14, _varying(16000, (4, 4, 8), 12, 63)),
    "16khz-24kbps": Preset(
        "near the original, and the most SNR at 8 and 16, too", 19, _varying(16000, (4, 4, 5), 15, 63)
    ),
    "24khz-2kbps": Preset("least data; for ears, train it perceptual", 3, _speech(24000, (4, 4, 5, 6), 4, 512)),
    "24khz-6kbps": Preset("small and fast on a CPU", 6, _speech(24000, (4, 4, 5, 6), 12, 256)),
    "24khz-12kbps": Preset("good speech, and at 6, too", 14, _varying(24000, (4, 6, 8), 12, 63)),
    "24khz-24kbps": Preset(
        "near the original, and the most SNR at 8 and 16, too", 19, _varying(24000, (4, 5, 6), 15, 63)
    ),
    # Large codebooks of short vectors, which lose least to greedy stages at such a rate; and no dropout: all of it is
    # needed.
    "waveform-40db": Preset(
        "the waveform itself; 41 kbit/s is the least that any coder could do 40 dB with",
        36,
        _varying(16000, (2, 4, 5), 18, 40) | {"codebook_size": 1024, "quantizer_dropout": 0.0},
    ),
}
