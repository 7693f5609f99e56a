"""The samples of a run's record: which epochs are shown, and each sound as a page can hold it."""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile

from infra.store import ObjectInfo
from job.record.run import Run
from job.report import spectrogram

MOST_EPOCHS = 8
"""Of each sample beside the original: what an ear compares in one sitting."""
MOST_SAMPLES = 4
MOST_BYTES = 10 << 20
"""Of wav files that are read: as flac and in base64 about as many again stand in the page."""
_NAME = re.compile(r"samples/(\d{1,9})/(\d{1,4})-(original|decoded)\.wav")


@dataclass(frozen=True)
class Clip:
    """One sound with its picture, both as data: URIs."""

    epoch: int
    sound: str
    picture: str
    seconds: float
    rate: int
    snr_db: float | None
    """Of a decoded clip against its original; None where they cannot be compared."""


@dataclass(frozen=True)
class Sample:
    """One held-out clip through the epochs."""

    number: int
    original: Clip | None
    decoded: tuple[Clip, ...]


@dataclass(frozen=True)
class Samples:
    """The samples that a page shows, and how many there are."""

    shown: tuple[Sample, ...] = ()
    epochs: tuple[int, ...] = ()
    """Every epoch that the record has samples of."""
    left_out: tuple[str, ...] = ()
    """What is not shown, and why."""


Key = tuple[int, str]
"""The number of a sample, and ``original`` or ``decoded``."""


def read(run: Run, most_epochs: int = MOST_EPOCHS, prefixes: Sequence[str] | None = None) -> Samples:
    """The samples of a run: of each the original, and what was decoded after at most so many epochs.

    The first and the newest epoch are always among them. Where an epoch was trained twice, the newest attempt's samples
    count. ``prefixes`` are those of the attempts, oldest first, where they are known already.

    Raises StoreError when the store gives no answer.
    """
    found = _listed(run, [attempt.prefix for attempt in run.attempts()] if prefixes is None else prefixes)
    epochs = tuple(sorted(found))
    numbers = sorted({number for keys in found.values() for number, _ in keys})
    left_out: list[str] = []
    if len(numbers) > MOST_SAMPLES:
        left_out.append(f"samples {MOST_SAMPLES} to {len(numbers) - 1}")
        numbers = numbers[:MOST_SAMPLES]
    wanted = _within_budget(found, epochs, numbers, most_epochs)
    if len(wanted) < len(epochs):
        left_out.append(f"{len(epochs) - len(wanted)} of {len(epochs)} epochs")
    shown = []
    for number in numbers:
        reader = _Reader(run, left_out)
        # The crops are fixed: the newest original is that of every epoch.
        at = next((epoch for epoch in reversed(epochs) if (number, "original") in found[epoch]), None)
        original = None if at is None else reader.read(found[at][number, "original"], at)
        keys = [(epoch, found[epoch][number, "decoded"]) for epoch in wanted if (number, "decoded") in found[epoch]]
        decoded = tuple(clip for epoch, info in keys if (clip := reader.read(info, epoch)) is not None)
        if original is not None or decoded:
            shown.append(Sample(number, original, decoded))
    return Samples(tuple(shown), epochs, tuple(left_out))


def spread(epochs: Sequence[int], most: int) -> list[int]:
    """At most so many of some epochs, the first and the last among them, the others evenly between."""
    if len(epochs) <= most:
        return list(epochs)
    if most < 2:
        return list(epochs[-most:])
    return [epochs[round(at * (len(epochs) - 1) / (most - 1))] for at in range(most)]


def _listed(run: Run, prefixes: Sequence[str]) -> dict[int, dict[Key, ObjectInfo]]:
    """epoch -> sample and kind -> object. What else lies there is left alone."""
    found: dict[int, dict[Key, ObjectInfo]] = {}
    for prefix in prefixes:
        for info in run.store.list(f"{prefix}/samples/"):
            if match := _NAME.fullmatch(info.key.removeprefix(f"{prefix}/")):
                found.setdefault(int(match[1]), {})[int(match[2]), match[3]] = info
    return found


def _within_budget(
    found: dict[int, dict[Key, ObjectInfo]], epochs: Sequence[int], numbers: Sequence[int], most: int
) -> list[int]:
    """As many epochs as the page has room for, at least the newest."""
    for count in range(most, 1, -1):
        wanted = spread(epochs, count)
        size = sum(info.size for epoch in wanted for (number, _), info in found[epoch].items() if number in numbers)
        if size <= MOST_BYTES:
            return wanted
    return list(epochs[-1:])


class _Reader:
    """Reads the clips of one sample; the loudest spot of the first one is the brightest of all."""

    def __init__(self, run: Run, left_out: list[str]) -> None:
        self._run = run
        self._left_out = left_out
        self._original: spectrogram.Samples | None = None
        self._top_db: float | None = None

    def read(self, info: ObjectInfo, epoch: int) -> Clip | None:
        """A clip, or None where the page cannot hold it: what is left out is noted."""
        name = info.key.partition("/samples/")[2]
        if info.size > MOST_BYTES:
            self._left_out.append(f"{name}, which is larger than {MOST_BYTES >> 20} MiB")
            return None
        try:
            with soundfile.SoundFile(io.BytesIO(self._run.store.get(info.key))) as file:
                # A pod wrote it: a compressed format may hold a thousand times what it is long.
                if file.format != "WAV" or file.frames * file.channels > MOST_BYTES:
                    self._left_out.append(f"{name}, which is no wav of a usual length")
                    return None
                samples, rate = file.read(file.frames, dtype="float32", always_2d=True)[:, 0], file.samplerate
            sound = _sound(samples, rate)
        except soundfile.SoundFileError:
            self._left_out.append(f"{name}, which cannot be read as audio")
            return None
        if not len(samples):
            self._left_out.append(f"{name}, which is empty")
            return None
        levels = spectrogram.levels_db(samples, rate)
        if self._top_db is None:
            self._top_db = max(float(levels.max()), -100.0)
        snr_db = None if name.endswith("-original.wav") else _snr_db(self._original, samples)
        if name.endswith("-original.wav"):
            self._original = samples
        picture = _data_uri("image/png", spectrogram.picture(levels, self._top_db))
        return Clip(epoch, sound, picture, len(samples) / rate, rate, snr_db)


def _sound(samples: spectrogram.Samples, rate: int) -> str:
    """As 16-bit flac: the trainer's wav to the last bit, smaller, and every current browser plays it."""
    exact = np.round(np.nan_to_num(samples) * 32768).clip(-32768, 32767).astype(np.int16)
    buffer = io.BytesIO()
    soundfile.write(buffer, exact, rate, format="FLAC", subtype="PCM_16")
    return _data_uri("audio/flac", buffer.getvalue())


def _snr_db(original: spectrogram.Samples | None, decoded: spectrogram.Samples) -> float | None:
    """10 log10(sum x² / sum (x - y)²), as in a validation row but of this crop alone and after the 16 bits of a wav."""
    if original is None or original.shape != decoded.shape:
        return None
    x, y = original.astype(np.float64), decoded.astype(np.float64)
    signal, noise = float(np.sum(x**2)), float(np.sum((x - y) ** 2))
    return 10 * float(np.log10(signal / noise)) if signal > 0 and noise > 0 else None


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
