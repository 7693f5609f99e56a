"""The default checklist of each recipe, as job.yaml would spell it. What is not named here is the same for all."""

from typing import Any, Literal

Recipe = Literal["waveform", "perceptual"]

RECIPES: dict[str, dict[str, Any]] = {
    # L1 and VQ: the user's table.
    "waveform": {
        "signs": {
            "loss": {"good_below": 0.5, "bad_above": 1.0},
            "snr_db": {"good_above": 5.0, "bad_below": 0.0},
            "amplitude": {"good_above": 0.75, "bad_below": 0.60},
        },
        "improvement": {"metric": "snr_db"},
        "causes": {},
    },
    # Mel, feature and adversarial losses leave the phase free: a good run may sit near 0 dB with any correlation, so
    # that spectrum, level and code use are judged instead.
    "perceptual": {
        "signs": {
            "mel_distance": {"good_below": 0.6, "bad_above": 1.2},
            "amplitude": {"good_above": 0.6, "good_below": 1.5, "bad_below": 0.3, "bad_above": 3.0},
            "perplexity": {"good_above": 0.05, "bad_below": 0.01},
        },
        "improvement": {"metric": "mel_distance"},
        "causes": {
            "zero_correlation": None,
            "silent_plateau": None,
            "gain_fault": None,
            "inverted": None,
            "misalignment": None,
            "empty_training": None,
            "unlike_training": None,
            "training_plateau": None,
            "worst_crops": None,
            "overfitting": None,
            "loud": None,
        },
    },
}
