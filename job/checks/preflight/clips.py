"""What the clips themselves say: broken, silent, clipped, offset, doubled, of several rates."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np

from codec.audio import SILENCE_RMS, ClipInfo
from job.checks.finding import Finding, error, listed, note, warning
from job.dataset import LocalData

# A clipped share of one in a thousand is heard as crackle; a single loud syllable stays below it.
CLIPPED_SHARE = 1e-3
# An offset of a tenth of the level is at -20 dB of its power: as loud as all the error a good codec may make.
OFFSET_OF_RMS = 0.1
# Peaks of natural recordings scatter; so many at one value, to half a percent, were put there.
NORMALIZED_SHARE, NORMALIZED_SPREAD, NORMALIZED_CLIPS = 0.8, 0.005, 5
LEVEL_EDGES_DB = (-50, -40, -30, -25, -20, -15, -10)


def about_clips(data: LocalData, sample_rate: int) -> list[Finding]:
    """What the clips of a folder say, however they are split. `sample_rate` is the model's."""
    broken, nothing = _broken(data), _nothing_to_learn(data)
    if nothing or not data.clips:
        return [*broken, *nothing]
    return [
        *broken,
        *_named(
            "silent",
            data,
            (clip for clip in data.clips if clip.rms < SILENCE_RMS),
            "silent (below -50 dBFS); nothing is learned there: remove or record again",
        ),
        *_named(
            "clipped",
            data,
            (clip for clip in data.clips if clip.clipped > CLIPPED_SHARE),
            "clipped; the codec would learn the distortion: export again at a lower level or remove",
        ),
        *_named(
            "offset",
            data,
            (clip for clip in data.clips if clip.rms >= SILENCE_RMS and abs(clip.dc) > OFFSET_OF_RMS * clip.rms),
            "shifted by a DC offset of over 10% of their level; high-pass at 20 Hz, say",
        ),
        *_duplicates(data),
        *_rates(data, sample_rate),
        *_peaks(data.clips),
        note("levels", _histogram(data.clips)),
    ]


def _broken(data: LocalData) -> list[Finding]:
    if not data.broken:
        return []
    if len(data.broken) == 1:
        (clip,) = data.broken
        return [error("clips", f"{data.folder / clip.name}: {clip.complaint}")]
    total = len(data.clips) + len(data.broken)
    names = [f"{clip.name} ({clip.complaint.partition(';')[0]})" for clip in data.broken]
    said = f"{len(names)} of {total} clips cannot be used: {listed(names)}; mend or remove them"
    return [error("clips", f"{data.folder}: {said}")]


def _nothing_to_learn(data: LocalData) -> list[Finding]:
    if not data.clips:
        return []
    if all(clip.rms < SILENCE_RMS for clip in data.clips):
        said = "every clip is silent (below -50 dBFS); check how they were recorded or exported"
        return [error("silent", f"{data.folder}: {said}")]
    if len({clip.sha256 for clip in data.clips}) < 2:
        said = "holds a single clip; training needs a second one to hold out for validation"
        return [error("clips", f"{data.folder}: {said}")]
    return []


def _named(check: str, data: LocalData, clips: Iterable[ClipInfo], said: str) -> list[Finding]:
    names = [data.name(clip) for clip in clips]
    if not names:
        return []
    are = "is" if len(names) == 1 else "are"
    return [warning(check, f"{len(names)} of {len(data.clips)} clips {are} {said}: {listed(names)}")]


def _duplicates(data: LocalData) -> list[Finding]:
    times = Counter(clip.sha256 for clip in data.clips)
    copies = [data.name(clip) for clip in data.clips if times[clip.sha256] > 1]
    if not copies:
        return []
    extra = sum(number - 1 for number in times.values())
    return [
        warning(
            "duplicates",
            f"{extra} of {len(data.clips)} clips sound exactly like another one; they count twice: remove one of "
            f"each (copies always stay on one side of the split): {listed(copies)}",
        )
    ]


def _rates(data: LocalData, sample_rate: int) -> list[Finding]:
    rates = Counter(clip.sample_rate for clip in data.clips)
    spelled = ", ".join(f"{number} at {rate} Hz" for rate, number in rates.most_common())
    low = [data.name(clip) for clip in data.clips if clip.sample_rate < sample_rate]
    findings = []
    if low:
        findings.append(
            warning(
                "rates",
                f"{len(low)} of {len(data.clips)} clips have less than the model's {sample_rate} Hz, so their upper "
                f"band is empty; take better sources or a lower sample_rate: {listed(low)}",
            )
        )
    if len(rates) > 1:
        findings.append(warning("rates", f"the clips' rates are mixed ({spelled}); all are resampled to {sample_rate}"))
    elif set(rates) != {sample_rate}:
        findings.append(note("rates", f"all clips are resampled: {spelled}, the model has {sample_rate} Hz"))
    return findings


def _peaks(clips: Sequence[ClipInfo]) -> list[Finding]:
    peaks = np.array([clip.peak for clip in clips])
    middle = float(np.median(peaks))
    same = int(np.count_nonzero(np.abs(peaks - middle) <= NORMALIZED_SPREAD * middle))
    if len(clips) < NORMALIZED_CLIPS or same < NORMALIZED_SHARE * len(clips):
        return []
    return [
        note(
            "peaks",
            f"{same} of {len(clips)} clips peak at {middle:.2f}: they were peak-normalized. That harms nothing: the "
            "trainer sets each crop to -16 dB RMS itself",
        )
    ]


def _histogram(clips: Sequence[ClipInfo]) -> str:
    levels = [20 * math.log10(max(clip.rms, 1e-10)) for clip in clips]
    counts, _ = np.histogram(levels, [-math.inf, *LEVEL_EDGES_DB, math.inf])
    edges = LEVEL_EDGES_DB
    bands = [f"below {edges[0]}", *(f"{low} to {high}" for low, high in pairwise(edges))]
    bands.append(f"above {edges[-1]}")
    parts = [f"{band}: {count}" for band, count in zip(bands, counts.tolist(), strict=True) if count]
    return "clips by level in dBFS: " + ", ".join(parts)
