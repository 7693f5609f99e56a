"""The store, by every call that client and pod make."""

import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from infra.files import sha256_of
from infra.store import Store, StoreError
from job.checks.doctor.check import Patient, Probe, attempt, probing
from job.checks.finding import Finding, has_errors, note, warning
from job.record.store_clock import SKEW_SECONDS, clock_ahead

CHECK = "store"
RACERS = 8
BIG_BYTES = (16 << 20) + 1
"""One more than an upload in a single call may have."""


def about_store(patient: Patient) -> Iterator[Finding]:
    """Writes, reads, lists, races, and removes what it has written. Uploads and downloads 17 MB."""
    store = patient.store
    yield note(CHECK, store.url)
    yield from _about_credentials(store)
    with probing(store) as probe:
        key, data = probe.key("probe"), probe.run_id.encode()
        first = attempt(CHECK, "put", lambda: store.put(key, data))
        yield first
        if has_errors([first]):
            return
        yield attempt(CHECK, "get", lambda: _same(store.get(key), data))
        yield attempt(CHECK, "list", lambda: _listed(store, probe))
        yield from _about_clock(store, probe)
        yield attempt(CHECK, "create-if-absent", lambda: _race(store, probe))
        with tempfile.TemporaryDirectory() as folder:
            source, copy, big = Path(folder) / "source", Path(folder) / "copy", probe.key("big")
            source.write_bytes(bytes(BIG_BYTES))
            up = attempt(CHECK, "upload of 17 MB in parts", lambda: store.upload(source, big))
            yield up
            if not has_errors([up]):
                yield attempt(CHECK, "download of 17 MB", lambda: _fetch(store, big, copy, source))
        yield attempt(CHECK, "delete", lambda: _delete(store, probe))


def _about_credentials(store: Store) -> Iterator[Finding]:
    if not store.url.startswith("s3://"):
        return
    from infra.store.credentials.own import own_credentials
    from infra.store.s3_url import parse_s3_url

    own = own_credentials(parse_s3_url(store.url))
    life = "no end that is known here"
    if own.session.expires is not None:
        life = f"they end in {(own.session.expires - time.time()) / 3600:.1f} h"
    kind = "temporary keys" if own.session.token else "keys"
    yield note(CHECK, f"credentials: {kind} from {own.source}; {life}")


def _about_clock(store: Store, probe: Probe) -> Iterator[Finding]:
    skew = abs(clock_ahead(store, probe.key("clock")))
    if skew > SKEW_SECONDS:
        yield warning(
            CHECK, f"clock: this machine and the store differ by {skew:.0f} s; set this machine's: nothing starts here"
        )
    else:
        yield note(CHECK, f"clock: agrees with the store's within {skew + 1:.0f} s")


def _same(found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise StoreError("other bytes came back than were written; do not use this store")


def _listed(store: Store, probe: Probe) -> None:
    if [info.key for info in store.list(probe.prefix)] != [f"{probe.prefix}probe"]:
        raise StoreError("the listing lacks what was just written; do not use this store")
    if probe.run_id not in store.folders("runs/"):
        raise StoreError("the listing of folders lacks what was just written; do not use this store")


def _race(store: Store, probe: Probe) -> str:
    key, barrier = probe.key("race"), threading.Barrier(RACERS)

    def create(number: int) -> bool:
        barrier.wait()
        return store.create(key, str(number).encode())

    store.create(probe.key("first"), b"")  # finds out what the server makes of conditions
    with ThreadPoolExecutor(RACERS) as pool:
        won = list(pool.map(create, range(RACERS)))
    if won.count(True) != 1 or store.get(key) != str(won.index(True)).encode():
        raise StoreError(f"{won.count(True)} of {RACERS} racing writers won; two clients could start one attempt")
    return f"one of {RACERS} racing writers won, by {_way(store)}"


def _way(store: Store) -> str:
    if not store.url.startswith("s3://"):
        return "hard links"
    from infra.store.s3 import S3Store

    assert isinstance(store, S3Store)
    return "conditional writes" if store.has_conditions else "writing, waiting and reading back"


def _fetch(store: Store, key: str, copy: Path, source: Path) -> None:
    store.download(key, copy)
    if sha256_of(copy) != sha256_of(source):
        raise StoreError("other bytes came back than were written; do not use this store")


def _delete(store: Store, probe: Probe) -> None:
    for key in sorted(probe.made):
        store.delete(key)
    if left := [info.key for info in store.list(probe.prefix)]:
        raise StoreError(f"{left[0]} is still there after it was deleted; remove it by hand")
