"""Quality of the shipped codec on a folder of 16 kHz speech: python -m tests.bench.front_quality FOLDER --every 7

The first 10 s of every so manieth clip, at -16 dB, through streams on disk. `codec evaluate shipped` measures more, and
takes longer; this prints each row as soon as it is there.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import soundfile
from pesq import pesq
from pystoi import stoi

from codec.evaluation import opus
from codec.front import files

RATE = 16_000
HEADROOM = 0.25  # the decoded file has 16 bits, which end at 1
Float32Array = npt.NDArray[np.float32]
Through = Callable[[Float32Array], tuple[Float32Array, float]]  # audio -> (decoded, kbit/s)

SHIPPED = {
    **{f"ear {kbps:g}": files.Goal(kbps) for kbps in (6.0, 8.25, 16.5, 24.75)},
    **{f"vector {kbps:g}": files.Goal(kbps, quantizer="vector") for kbps in (8.25, 16.5, 24.75)},
    **{f"waveform {kbps:g}": files.Goal(kbps, "waveform") for kbps in (8.25, 16.5, 24.75)},
    **{f"{snr:g} dB": files.Goal(snr_db=snr) for snr in (12.0, 24.0, 32.0, 40.0)},
}


def main() -> None:
    """Print a row for each setting of the codec, or of Opus."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=7)
    parser.add_argument("--only", default="", help="rows whose names begin so")
    parser.add_argument("--opus", type=float, nargs="*", default=(), help="kbit/s")
    options = parser.parse_args()
    clips = [clip_of(path) for path in sorted(options.folder.rglob("*.flac"))[:: options.every]]
    click.echo(f"{options.folder}: {len(clips)} clips, {sum(map(len, clips)) / RATE:.1f} s")
    for name, through in rows(options.opus, options.only):
        click.echo(f"{name:24} {judged(clips, through)}")


def rows(opus_kbps: list[float], only: str) -> Iterator[tuple[str, Through]]:
    """(name, codec) of each row."""
    for kbps in opus_kbps:
        for mode in opus.MODES:
            name = f"opus {kbps:g} {mode.tuning} {'variable' if mode.variable else 'constant'}"
            yield name, lambda audio, kbps=kbps, mode=mode: through_opus(audio, kbps, mode)  # type: ignore[misc]
    for name, goal in () if opus_kbps else SHIPPED.items():
        if name.startswith(only):
            yield name, lambda audio, goal=goal: through_shipped(audio, goal)  # type: ignore[misc]


def clip_of(path: Path) -> Float32Array:
    """The first 10 s of a clip at an RMS of -16 dB."""
    audio, rate = soundfile.read(path, dtype="float32")
    assert rate == RATE
    audio = audio[: 10 * RATE]
    scaled: Float32Array = audio * np.float32(10 ** (-16 / 20) / np.sqrt(np.mean(audio**2)))
    return scaled


def through_shipped(audio: Float32Array, goal: files.Goal) -> tuple[Float32Array, float]:
    """Through a stream on disk."""
    with tempfile.TemporaryDirectory() as folder:
        source, coded, back = (Path(folder, name) for name in ("a.wav", "a.cjc", "b.wav"))
        soundfile.write(source, audio * HEADROOM, RATE, subtype="FLOAT")
        summary = files.encode(source, coded, goal, lambda _: None)
        files.decode(coded, back, ".wav", False, lambda _: None)
        return soundfile.read(back, dtype="float32")[0] / HEADROOM, summary.kbps


def through_opus(audio: Float32Array, kbps: float, mode: opus.Mode) -> tuple[Float32Array, float]:
    """Through opusenc and opusdec, aligned."""
    decoded, real = opus.round_trip(audio, RATE, kbps, mode)
    return opus.aligned(audio, decoded)[0], real


def judged(clips: list[Float32Array], through: Through) -> str:
    """Means over clips with their standard errors, as text."""
    started, bits, rates, snr, ear, words = time.process_time(), 0.0, [], [], [], []
    for audio in clips:
        decoded, kbps = through(audio)
        bits += kbps * len(audio) / RATE
        rates.append(kbps)
        snr.append(10 * np.log10(np.sum(audio**2) / np.sum((audio - decoded) ** 2)))
        ear.append(pesq(RATE, audio, decoded, "wb"))
        words.append(stoi(audio, decoded, RATE))
    error = [np.std(values, ddof=1) / np.sqrt(len(values)) for values in (snr, ear)]
    seconds = sum(map(len, clips)) / RATE
    return (
        f"{bits / seconds:6.2f} kbit/s ({min(rates):.1f} to {max(rates):.1f})  "
        f"SNR {np.mean(snr):5.2f} +- {error[0]:.2f} (least {min(snr):.2f})  "
        f"PESQ {np.mean(ear):.2f} +- {error[1]:.2f}  STOI {np.mean(words):.3f}  "
        f"[{time.process_time() - started:.0f} s]"
    )


if __name__ == "__main__":
    main()
