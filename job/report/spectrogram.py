"""Pictures of sound: level over time and frequency."""

import numpy as np
import numpy.typing as npt

from job.report import png

Samples = npt.NDArray[np.float32]

WINDOW_SECONDS = 0.032
COLUMNS = 400
"""About as wide as it is shown: one column takes 10 ms of a sample of 4 s."""
MOST_ROWS = 128
RANGE_DB = 80.0
LEVELS = 64
"""Steps of 1.25 dB: no eye sees finer ones, and noise in the last bits would fill the page."""
_STOPS = ((4, 5, 18), (48, 18, 92), (124, 35, 121), (200, 62, 95), (246, 122, 66), (254, 193, 106), (252, 250, 202))


def levels_db(samples: Samples, rate: int) -> npt.NDArray[np.float64]:
    """The power of ``samples`` [T] in dB, [frequencies, columns], from 0 Hz up; 0 dB is a full-scale sine.

    Short-time Fourier transform with a Hann window of 32 ms. Samples that are not finite count as silence.
    """
    size = 2 * max(round(WINDOW_SECONDS * rate / 2), 8)
    window = np.hanning(size)
    sound = np.pad(np.nan_to_num(samples.astype(np.float64), posinf=0.0, neginf=0.0), size // 2)
    starts = np.linspace(0, max(len(sound) - size, 0), min(COLUMNS, max(len(samples), 1))).astype(int)
    frames = sound[starts[:, None] + np.arange(size)] * window  # [columns, size]
    amplitude = np.abs(np.fft.rfft(frames)).T[:-1] * 2 / window.sum()  # without the half band at the top
    step = -(-len(amplitude) // MOST_ROWS)
    usable = amplitude[: len(amplitude) // step * step]
    strongest: npt.NDArray[np.float64] = usable.reshape(-1, step, usable.shape[1]).max(axis=1)
    return 20 * np.log10(np.maximum(strongest, 1e-10))


def picture(levels: npt.NDArray[np.float64], top_db: float) -> bytes:
    """A PNG of `levels_db`, high frequencies above. ``top_db`` is the brightest colour; 80 dB below it all is dark."""
    share = np.clip((levels - top_db) / RANGE_DB + 1, 0, 1)
    return png.encode(np.flipud(np.round(share * (LEVELS - 1)).astype(np.uint8)), _palette())


def _palette() -> npt.NDArray[np.uint8]:
    """LEVELS colours [LEVELS, 3] from dark to bright, evenly spaced between the stops."""
    at = np.linspace(0, len(_STOPS) - 1, LEVELS)
    channels = [np.interp(at, range(len(_STOPS)), [stop[channel] for stop in _STOPS]) for channel in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)
