"""What torch.compile has made, kept in the record, so that the pod of a run's next attempt need not make it again.

It is code, and who can write to the bucket must not be able to run code in a pod. So an archive begins with a seal: an
HMAC-SHA256 by a key that the record never holds. The key lies in CODECJOB_HOME of the machine that launches, and every
run's pods have one that is derived from it in their environment. What has not the right seal is left alone: the pod
then compiles, as it does where another machine has launched it.
"""

import hmac
import os
import secrets
import shutil
import zipfile
from contextlib import suppress
from functools import cache
from pathlib import Path

from infra.files import unpublished
from infra.store import NotFound
from job.paths import home
from job.record.attempt import Attempt
from job.record.documents import Progress
from job.record.run import Run

FOLDER = "compiled"  # the trainer's, in its checkpoint folder
KEY_FILE = "seal-key"
MOST_BYTES = 1 << 29  # of an archive, and of what goes into it
_OBJECT = "compiled/sealed.zip"
_SEAL_BYTES = 32
_BEFORE = ("preparing", "compiling")  # phases of the trainer before its first step is done


def seal_key(run_id: str) -> str:
    """What the pods of a run seal with."""
    return hmac.new(_secret(), f"seal of {run_id}".encode(), "sha256").hexdigest()


def remember_secret() -> None:
    """Lets this machine's next launches seal with the same keys; where its home cannot be written, they do not."""
    file = home() / KEY_FILE
    if file.exists():
        return
    with suppress(OSError):  # among them that another client has been first: its own stays
        file.parent.mkdir(parents=True, exist_ok=True)
        with unpublished(file.parent, [_fresh().hex().encode()]) as made:
            made.chmod(0o600)
            os.link(made, file)


def _secret() -> bytes:
    with suppress(OSError, ValueError):
        return bytes.fromhex((home() / KEY_FILE).read_text())
    return _fresh()


@cache
def _fresh() -> bytes:
    return secrets.token_bytes(32)


class Keeper:
    """Ships what the trainer compiles in one attempt: once, and only where it is not what was there before."""

    def __init__(self, attempt: Attempt, training: Path, key: str) -> None:
        self._attempt = attempt
        self._folder = training / FOLDER
        self._key = key
        self._known = _names(self._folder)
        self._done = not key

    def ship(self, progress: Progress | None) -> None:
        """Looks once the first step is done. Raises StoreError; then it may be called again."""
        if self._done or progress is None or progress.step == 0 or progress.phase in _BEFORE:
            return
        with suppress(OSError):  # no room to pack it: it is a convenience
            names = sorted(_names(self._folder))
            if set(names) - self._known and sum((self._folder / name).stat().st_size for name in names) <= MOST_BYTES:
                archive = self._folder.with_name(f".{FOLDER}.zip")
                try:
                    _pack(self._folder, names, archive, self._key)
                    self._attempt.store.upload(archive, f"{self._attempt.prefix}/{_OBJECT}")
                except FileNotFoundError:  # a rank that still compiles has moved a file: next time
                    return
                finally:
                    archive.unlink(missing_ok=True)
        self._done = True


def restore(run: Run, number: int, training: Path, key: str) -> int | None:
    """Brings what the newest attempt before ``number`` has sealed; that attempt's number, or None if there is nothing.

    A folder that is there already, of this attempt's own container before it was started again, is left as it is.
    """
    folder = training / FOLDER
    if not key or folder.exists():
        return None
    for attempt in reversed([each for each in run.attempts() if each.number < number]):
        for info in attempt.store.list(f"{attempt.prefix}/{FOLDER}/"):
            if info.key == f"{attempt.prefix}/{_OBJECT}" and info.size <= MOST_BYTES:
                archive, opened = (training / f".{FOLDER}.{kind}" for kind in ("zip", "opened"))
                with suppress(NotFound, OSError, zipfile.BadZipFile):
                    attempt.store.download(info.key, archive)
                    if _unpack(archive, opened, key):
                        opened.rename(folder)
                        return attempt.number
                archive.unlink(missing_ok=True)
    return None


def _names(folder: Path) -> set[str]:
    """Files of a folder but for locks, which every use makes."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix() for path in paths if path.suffix != ".lock"}


def _pack(folder: Path, names: list[str], archive: Path, key: str) -> None:
    with archive.open("w+b") as file:
        file.write(bytes(_SEAL_BYTES))  # its place
        with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as content:
            for name in names:
                content.write(folder / name, name)
    seal = _seal(archive, key)
    with archive.open("r+b") as file:
        file.write(seal)


def _unpack(archive: Path, target: Path, key: str) -> bool:
    """Whether the seal is right; only then is anything of the archive read."""
    with archive.open("rb") as file:
        if not hmac.compare_digest(file.read(_SEAL_BYTES), _seal(archive, key)):
            return False
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(archive) as content:
        content.extractall(target)
    archive.unlink()
    return True


def _seal(archive: Path, key: str) -> bytes:
    """That of all that stands behind its place."""
    seal = hmac.new(bytes.fromhex(key), digestmod="sha256")
    with archive.open("rb") as file:
        file.seek(_SEAL_BYTES)
        while part := file.read(1 << 20):
            seal.update(part)
    return seal.digest()
