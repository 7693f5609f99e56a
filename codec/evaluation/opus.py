"""Opus, to compare with: opusenc and opusdec of opus-tools, at a constant bitrate or at a variable one of that mean.

Opus is shown at its best. What it decodes at speech rates comes up to a sample early or late, by a part of a sample
that depends on the clip; uncorrected, that alone costs it 1 to 3 dB of SNR, so it is taken out. And it is asked for
speech and for music, at a constant and at a variable rate, since which keeps the waveform best depends on the bitrate.
"""

import math
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from codec.errors import UserError

LEAST_KBPS, MOST_KBPS = 6.0, 256.0  # of one channel, by opusenc
RATE_ROUNDS = 4  # halvings of the range in which the variable rate is looked for
RATE_SLACK = 1.01  # by which it may be above
MOST_DELAY = 2.0  # samples: more than that is no rounding of a resampler, but a fault
_PARTS = 16  # of a sample
_HEADERS = 2  # packets before the first one of sound (RFC 7845)

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Mode:
    """What opusenc is asked for."""

    tuning: str  # speech or music
    variable: bool  # bitrate


MODES = tuple(Mode(tuning, variable) for tuning in ("speech", "music") for variable in (False, True))


def check_installed() -> None:
    """Raises UserError where opus-tools is missing."""
    missing = [tool for tool in ("opusenc", "opusdec") if shutil.which(tool) is None]
    if missing:
        raise UserError(
            f"--against opus: {' and '.join(missing)} not found; install opus-tools (apt install opus-tools)"
        )


def round_trip(audio: Float32Array, rate: int, kbps: float, mode: Mode) -> tuple[Float32Array, float]:
    """Mono audio [T] at `rate` Hz through Opus and back: the decoded audio [T], and the packets' real kbit/s.

    With a variable bitrate opusenc may spend twice on a clip what it is asked for, so the most it can be asked for
    is looked for that costs no more than `kbps`; as a mode of it ends in between, it may cost far less. opusdec
    takes out the codec's delay. The Ogg container is not counted, since a call or a stream has none.
    """
    if not mode.variable:
        return _round_trip(audio, rate, kbps, mode)
    low, high = max(LEAST_KBPS, kbps / 2), min(1.5 * kbps, MOST_KBPS)
    best = _round_trip(audio, rate, low, mode)
    for _ in range(RATE_ROUNDS):
        asked = math.sqrt(low * high)
        decoded, real = _round_trip(audio, rate, asked, mode)
        if real > kbps * RATE_SLACK:
            high = asked
        else:
            low, best = asked, (decoded, real)
    return best


def _round_trip(audio: Float32Array, rate: int, kbps: float, mode: Mode) -> tuple[Float32Array, float]:
    with tempfile.TemporaryDirectory() as folder:
        original, coded, decoded = (Path(folder, name) for name in ("a.wav", "a.opus", "b.wav"))
        soundfile.write(original, audio, rate, subtype="FLOAT")
        control = "--vbr" if mode.variable else "--hard-cbr"
        _run("opusenc", "--quiet", control, f"--{mode.tuning}", "--bitrate", f"{kbps:g}", original, coded)
        _run("opusdec", "--quiet", "--float", "--no-dither", "--rate", str(rate), coded, decoded)
        result, decoded_rate = soundfile.read(decoded, dtype="float32")
        assert decoded_rate == rate
        assert len(result) == len(audio), "opusdec gave another length"
        return np.asarray(result), _payload_bytes(coded.read_bytes()) * 8 * rate / len(audio) / 1000


def aligned(original: Float32Array, decoded: Float32Array) -> tuple[Float32Array, float]:
    """(decoded audio [T] shifted to where it fits best, the samples that it came late): at most MOST_DELAY.

    The delay is where the cross-correlation, interpolated to a sixteenth of a sample, is largest; the shift is by
    phase.
    """
    size = 2 * len(original)
    spectrum = np.fft.rfft(decoded.astype(np.float64), size)
    cross = spectrum * np.fft.rfft(original.astype(np.float64), size).conj()
    correlation = np.fft.irfft(cross, _PARTS * size)
    reach = round(MOST_DELAY * _PARTS)
    near = np.concatenate([correlation[-reach:], correlation[: reach + 1]])
    delay = (int(near.argmax()) - reach) / _PARTS
    frequencies = np.arange(len(spectrum)) / size
    shifted = np.fft.irfft(spectrum * np.exp(2j * np.pi * frequencies * delay), size)
    return shifted[: len(original)].astype(np.float32), delay


def _run(*command: object) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise UserError(f"{command[0]} failed: {said[-1]}")


def _payload_bytes(ogg: bytes) -> int:
    """Bytes of the packets of sound in an Ogg file (RFC 3533): pages of lacing values, a packet ends below 255."""
    packets, size, at = [], 0, 0
    while at < len(ogg):
        segments = ogg[at + 27 : at + 27 + ogg[at + 26]]
        for segment in segments:
            size += segment
            if segment < 255:
                packets.append(size)
                size = 0
        at += 27 + len(segments) + sum(segments)
    return sum(packets[_HEADERS:])
