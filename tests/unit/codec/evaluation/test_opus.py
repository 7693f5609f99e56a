import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from codec.acoustics import metrics
from codec.evaluation import opus

CLIP = Path(__file__).parents[4] / "examples" / "telugu" / "clips" / "12-m1.flac"
needs_opus = pytest.mark.skipif(shutil.which("opusenc") is None, reason="needs opusenc: apt install opus-tools")


@pytest.mark.parametrize("delay", [-1.25, -0.5, 0.0, 0.0625, 1.0, 1.9375])
def test_a_part_of_a_sample_is_found_and_taken_out(delay: float) -> None:
    audio, _ = soundfile.read(CLIP, dtype="float32")
    spectrum = np.fft.rfft(audio, 2 * len(audio))
    turned = spectrum * np.exp(-2j * np.pi * np.arange(len(spectrum)) / (2 * len(audio)) * delay)
    late = np.fft.irfft(turned)[: len(audio)].astype(np.float32)
    back, found = opus.aligned(audio, late)
    assert found == delay
    assert 10 * np.log10(np.sum(audio**2) / np.sum((audio - back) ** 2)) > 50


@needs_opus
@pytest.mark.parametrize("variable", [False, True])
def test_opus_has_the_bitrate_it_was_asked_for_and_fits_the_original(variable: bool) -> None:
    import torch

    audio, rate = soundfile.read(CLIP, dtype="float32")
    signal_to_noise = []
    for kbps in (8, 24, 96):
        decoded, real = opus.round_trip(audio, rate, kbps, opus.Mode("speech", variable))
        assert real <= kbps * 1.02
        assert real >= kbps * (0.5 if variable else 0.98)  # between 60 and 150 kbit/s it has nothing for this clip
        decoded, delay = opus.aligned(audio, decoded)
        assert abs(delay) < opus.MOST_DELAY
        x, y = torch.from_numpy(audio), torch.from_numpy(decoded)
        assert int(metrics.lag(x, y)) == 0
        signal_to_noise.append(float(metrics.snr_db(x, y)))
    assert signal_to_noise == sorted(signal_to_noise)
    assert signal_to_noise[-1] > 15


def test_missing_tools_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(opus.UserError, match="opusenc and opusdec not found; install opus-tools"):
        opus.check_installed()
