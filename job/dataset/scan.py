"""A look at a folder of audio: every clip decoded to its end, once, on all cores; what is known already is not."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from codec.audio import AudioError, ClipInfo, find_audio, inspect
from codec.audio.measure import usable
from codec.audio.shards import LONGEST
from infra.store import StoreError
from infra.store.keys import check_key
from job.dataset.manifest import dataset_id
from job.dataset.scan_cache import ScanCache, open_scan_cache
from job.paths import cache_folder

OnProgress = Callable[[int, int], None]
"""Called with (done, in all): files, or bytes."""

SAVE_EVERY = 256  # clips: what a killed look at a folder has to do again at most
PCM_BYTES = 2


@dataclass(frozen=True)
class BrokenClip:
    """A file that cannot be trained on, and why: what is wrong; how to mend it."""

    name: str
    complaint: str


@dataclass(frozen=True)
class LocalData:
    """A folder of audio that has been looked at whole. `clips` leaves the broken ones out."""

    folder: Path
    sample_rate: int
    """Hz, of the clips' lengths and hashes, and of what is pushed."""
    clips: tuple[ClipInfo, ...]
    broken: tuple[BrokenClip, ...]

    @property
    def seconds(self) -> float:
        """Duration of all clips."""
        return sum(clip.seconds for clip in self.clips)

    @property
    def size(self) -> int:
        """Bytes of all clips as they are trained on."""
        return sum(clip.length for clip in self.clips) * PCM_BYTES

    @property
    def dataset_id(self) -> str:
        """The dataset that a push of these clips makes."""
        return dataset_id(self.sample_rate, ((self.name(clip), clip.length, clip.sha256) for clip in self.clips))

    def name(self, clip: ClipInfo) -> str:
        """The clip's path below the folder."""
        return clip.path.relative_to(self.folder).as_posix()


def look_at(folder: Path, sample_rate: int, on_file: OnProgress = lambda done, total: None) -> LocalData:
    """Decodes, measures and hashes every clip of a folder, so that no run fails over its data on paid time.

    A file whose size and times are those of an earlier look is not read again. `sample_rate` (Hz) is the trainer's:
    the clips' lengths and hashes are those that it will see.

    Raises:
        AudioError: there is no such folder, or no audio in it.
    """
    paths = find_audio(folder)
    with open_scan_cache(cache_folder()) as cache:
        found: dict[Path, ClipInfo | AudioError] = {**cache.known(folder, paths, sample_rate)}
        on_file(len(found), len(paths))
        rest = [path for path in paths if path not in found]
        for path, clip in _look_at_all(rest, folder, sample_rate, cache):
            found[path] = clip
            on_file(len(found), len(paths))
    clips, broken = [], []
    for path in paths:
        clip = found[path]
        if isinstance(clip, ClipInfo):
            clips.append(clip)
        else:
            name = path.relative_to(folder).as_posix()
            broken.append(BrokenClip(name, str(clip).removeprefix(f"{path}: ")))
    return LocalData(folder, sample_rate, tuple(clips), tuple(broken))


def _look_at_all(
    paths: list[Path], folder: Path, sample_rate: int, cache: ScanCache
) -> Iterator[tuple[Path, ClipInfo | AudioError]]:
    """Decoding leaves Python's lock to others nearly all the time, so threads use every core."""
    if not paths:
        return
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")
    try:
        asked: dict[Future[tuple[ClipInfo, os.stat_result]], Path] = {
            pool.submit(_look_at_one, path, folder, sample_rate): path for path in paths
        }
        for number, future in enumerate(as_completed(asked), start=1):
            path = asked[future]
            try:
                clip, stat = future.result()
            except AudioError as error:
                yield path, error
                continue
            cache.remember(folder, clip, sample_rate, stat)
            if number % SAVE_EVERY == 0:
                cache.save()
            yield path, clip
    finally:
        pool.shutdown(cancel_futures=True)


def _look_at_one(path: Path, folder: Path, sample_rate: int) -> tuple[ClipInfo, os.stat_result]:
    try:
        check_key(path.relative_to(folder).as_posix())
    except StoreError:
        raise AudioError(f"{path}: has a name that cannot be kept in a store; rename it") from None
    try:
        stat = path.stat()
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror}); mend or remove it") from None
    return _usable(inspect(path, sample_rate)), stat


def _usable(clip: ClipInfo) -> ClipInfo:
    usable(clip)
    if clip.length > LONGEST:
        raise AudioError(f"{clip.path}: is {clip.seconds / 3600:.0f} hours long; cut it into several files")
    return clip
