import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from infra.store import Store
from job import dataset
from job.dataset import manifest as manifests
from job.dataset.remove import remove, runs_by_dataset
from job.dataset.verify import verify
from job.errors import UsageError
from job.record.causes import OutcomeName
from job.record.documents import Outcome, Submission
from job.record.run import Run

RATE = 16000
WriteClip = Callable[..., Path]


def push(store: Store, folder: Path) -> dataset.Pushed:
    return dataset.push(store, dataset.look_at(folder, RATE))


def run_on(store: Store, dataset_id: str, outcome: OutcomeName | None) -> Run:
    run = Run(store, "speech-20260102-030405-00aa")
    run.create(Submission(submitted=1.0, dataset=dataset_id, spec={"name": "speech", "data": "/clips"}))
    if outcome:
        run.attempt(1).write_once("outcome.json", Outcome(outcome=outcome, reason="", by="agent", time=time.time()))
    return run


def keys(store: Store) -> list[str]:
    return [info.key for info in store.list("")]


def test_a_dataset_goes_with_its_objects(clips: Path, store: Store) -> None:
    pushed = push(store, clips)
    removed = remove(store, pushed.dataset_id, force=False)
    assert (removed.objects, removed.bytes, removed.kept) == (1, pushed.manifest.size, 0)
    assert keys(store) == []


def test_what_another_dataset_names_stays(clips: Path, store: Store, write_tone: WriteClip) -> None:
    first = push(store, clips)
    write_tone(clips / "c.wav", 400)
    second = push(store, clips)
    removed = remove(store, second.dataset_id, force=False)
    assert (removed.objects, removed.kept) == (1, 1)
    assert verify(store, first.dataset_id) == []
    assert remove(store, first.dataset_id, force=False).objects == 1
    assert keys(store) == []


@pytest.mark.parametrize(
    ("outcome", "force", "refused"),
    [
        (None, False, r"is in use by speech-20260102-030405-00aa: `codecjob stop RUN`"),
        (None, True, r"is in use by"),
        ("stopped", False, r"would be resumed with: --force"),
        ("failed", False, r"would be resumed with: --force"),
        ("stopped", True, None),
        ("succeeded", False, None),
    ],
)
def test_what_a_run_still_needs_stays(
    clips: Path, store: Store, outcome: OutcomeName | None, force: bool, refused: str | None
) -> None:
    pushed = push(store, clips)
    run = run_on(store, pushed.dataset_id, outcome)
    assert [each.run_id for each in runs_by_dataset(store)[pushed.dataset_id]] == [run.run_id]
    if refused is None:
        assert remove(store, pushed.dataset_id, force=force).objects == 1
        return
    with pytest.raises(UsageError, match=refused):
        remove(store, pushed.dataset_id, force=force)
    assert verify(store, pushed.dataset_id) == []


def test_a_sound_dataset_verifies_and_says_how_far_it_is(clips: Path, store: Store) -> None:
    pushed = push(store, clips)
    heard: list[tuple[int, int]] = []
    assert verify(store, pushed.dataset_id, lambda done, total: heard.append((done, total))) == []
    assert heard == [(pushed.manifest.size, pushed.manifest.size)]


def test_every_damaged_and_missing_object_is_named(clips: Path, store: Store, write_tone: WriteClip) -> None:
    push(store, clips)
    write_tone(clips / "c.wav", 400)
    pushed = push(store, clips)
    first, second = (manifests.object_key(shard.sha256) for shard in pushed.manifest.shards)
    store.put(first, store.get(first)[:-1] + b"x")
    store.delete(second)
    found = verify(store, pushed.dataset_id)
    assert len(found) == 2
    assert any(line.startswith(f"{first} in ") and "is damaged: remove it and push" in line for line in found)
    assert any(line.startswith(f"{second} is missing in ") for line in found)


def test_a_manifest_that_points_beside_the_clips(clips: Path, store: Store) -> None:
    pushed = push(store, clips)
    wrong = replace(pushed.manifest.clips[0], offset=pushed.manifest.clips[0].offset + 2)
    manifests.write(
        store, pushed.dataset_id, pushed.manifest.model_copy(update={"clips": (wrong, pushed.manifest.clips[1])})
    )
    assert verify(store, pushed.dataset_id) == [
        f"{wrong.name} is not where the manifest of the dataset says: push the data again"
    ]
