"""Learns the shipped tables from a folder of speech: `python -m codec.front.learn --data FOLDER --out tables.npz`.

Numpy alone; about two minutes of one core. docs/codec-card.md says what the shipped ones were learned from.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from codec.audio import AudioError, decode, find_audio
from codec.front import bands, fit, fit_vector, tables
from codec.front.fronts import FRONTS
from codec.front.level import gain_of
from codec.front.powers import Float32Array


def clips_of(folder: Path, seconds: float) -> list[Float32Array]:
    """Clips at 16 kHz and the level of training, at most 6 s of each and so many seconds together."""
    clips, total = [], 0.0
    for path in find_audio(folder):
        audio = decode(path, bands.RATE)[: 6 * bands.RATE]
        clips.append(audio * np.float32(gain_of(float(np.sqrt(np.mean(audio**2))))))
        total += len(audio) / bands.RATE
        if total >= seconds:
            break
    return clips


def main() -> int:
    """Learn the tables of all fronts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a folder of speech")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=360, help="of speech, at most 6 s of a file")
    options = parser.parse_args()
    try:
        clips = clips_of(options.data, options.seconds)
    except AudioError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 2
    learn = {"scalar": fit.fit, "vector": fit_vector.fit_arrays}
    tables.save(options.out, {name: learn[front.quantizer](clips, front) for name, front in FRONTS.items()})
    return 0


if __name__ == "__main__":
    sys.exit(main())
