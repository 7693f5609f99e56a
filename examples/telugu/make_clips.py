"""Make clips/: Telugu speech by espeak-ng, one FLAC a sentence; DATA_CARD.md describes the result.

    python examples/telugu/make_clips.py

Needs espeak-ng (apt install espeak-ng), numpy, soundfile and soxr. The same versions of these give the
same bytes each time; the clips in the repository are the ones to use.
"""

import io
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

HERE = Path(__file__).parent
SAMPLE_RATE = 16000
VARIANTS = ("m1", "f1", "m2", "f2", "m3", "f3", "m4", "f4", "m5", "f5", "m6", "m7")
PITCHES = (50, 38, 62, 45, 56)  # espeak-ng's scale, 0-99
SPEEDS = (150, 135, 165, 142, 158, 172, 128)  # words a minute

# dBFS RMS of the clips with these numbers (from 1); all others take their turn in USUAL.
USUAL = (-23, -21, -25, -22, -24, -22, -26)
QUIET = dict.fromkeys((8, 17, 30, 43, 59, 72), -38)
LOUD = dict.fromkeys((5, 14, 28, 37, 46, 57), -12)
NEARLY_SILENT = 47
CLIPPED = 35

Audio = npt.NDArray[np.float64]


def main() -> None:
    """Write clips/NN-VARIANT.flac for every line of sentences.txt."""
    folder = HERE / "clips"
    folder.mkdir(exist_ok=True)
    sentences = (HERE / "sentences.txt").read_text(encoding="utf-8").splitlines()
    for number, sentence in enumerate(sentences, start=1):
        variant = VARIANTS[number % len(VARIANTS)]
        speech = speak(sentence, variant, PITCHES[number % len(PITCHES)], SPEEDS[number % len(SPEEDS)])
        path = folder / f"{number:02d}-{variant}.flac"
        soundfile.write(path, at_level(speech, number), SAMPLE_RATE, subtype="PCM_16")
        print(path.name, sentence)


def speak(sentence: str, variant: str, pitch: int, speed: int) -> Audio:
    """The sentence at SAMPLE_RATE; the variant, the pitch and the speed make the voice."""
    command = ["espeak-ng", "-v", f"te+{variant}", "-p", str(pitch), "-s", str(speed), "--stdout", sentence]
    wav = subprocess.run(command, check=True, capture_output=True).stdout
    audio, rate = soundfile.read(io.BytesIO(wav))
    return np.asarray(soxr.resample(audio, rate, SAMPLE_RATE))


def at_level(speech: Audio, number: int) -> Audio:
    """The speech at the level that the clip of this number is to have."""
    unit = speech / np.sqrt(np.mean(speech**2))
    if number == NEARLY_SILENT:
        return unit * decibels(-56)
    if number == CLIPPED:
        return np.clip(unit * decibels(-6), -1, 1)
    if number in LOUD:
        return compressed(unit, decibels(LOUD[number]))
    return unit * decibels(QUIET.get(number, USUAL[number % len(USUAL)]))


def compressed(unit: Audio, rms: float) -> Audio:
    """Speech peaks 15 dB above its RMS, so this level needs its peaks rounded off to stay below 1."""
    low, high = 0.0, 10.0
    for _ in range(40):  # bisection: the RMS grows with the drive
        drive = (low + high) / 2
        too_loud = np.sqrt(np.mean(np.tanh(drive * unit) ** 2)) > rms
        low, high = (low, drive) if too_loud else (drive, high)
    return np.tanh(low * unit)


def decibels(level: float) -> float:
    """An amplitude from its level in dBFS."""
    return float(10 ** (level / 20))


if __name__ == "__main__":
    main()
