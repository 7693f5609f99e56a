import json
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from helpers import StoreProxy
from infra.store import AccessDenied, Store
from job.cli import cli
from job.record.attempt import CheckpointRef
from job.record.documents import Outcome, Submission
from job.record.retention import Saved, Tidier, chosen, plan, prune
from job.record.run import Run
from job.spec.model import KeepSpec

WEIGHTS = b"weights" * 100


def keep(**keys: Any) -> KeepSpec:
    return KeepSpec.model_validate(keys)


@pytest.fixture
def run(store: Store) -> Run:
    run = Run(store, "speech-20250102-030405-00ff")
    spec = {"name": "speech", "data": "/clips", "keep": {"last": 2, "best": 1}}
    run.create(Submission(submitted=1.0, dataset="0123456789abcdef", spec=spec))
    return run


def save(run: Run, step: int, snr_db: float | None = None, attempt: int = 1, kind: str = "checkpoints") -> str:
    prefix = f"{run.attempt(attempt).prefix}/{kind}/{step:08d}"
    run.store.put(f"{prefix}/model", WEIGHTS)
    manifest = {"step": step, "epoch": step // 10, "snr_db": snr_db, "files": {"model": {"size": len(WEIGHTS)}}}
    run.store.put(f"{prefix}/manifest.json", json.dumps(manifest).encode())
    return prefix


def steps(run: Run) -> list[int]:
    return sorted(ref.step for ref in run.checkpoints())


def test_the_last_and_the_best_stay(run: Run, store: Store) -> None:
    for step, snr_db in ((10, 3.0), (20, 9.0), (30, None), (40, 5.0), (50, 4.0)):
        save(run, step, snr_db)
    foreseen = plan(run)
    assert steps(run) == [10, 20, 30, 40, 50], "a plan removes nothing"
    done = prune(run, "client")
    assert done == foreseen
    assert steps(run) == [20, 40, 50]
    assert {info.key.split("/")[5] for info in store.list("runs/") if "/checkpoints/" in info.key} == {
        "00000020",
        "00000040",
        "00000050",
    }
    (event,) = run.attempt(1).events()
    assert (event["what"], event["by"]) == ("pruned", "client")
    assert [saved["step"] for saved in event["removed"]] == [10, 30]
    assert event["freed_bytes"] == done.freed > 2 * len(WEIGHTS)
    prune(run, "client")
    assert len(run.attempt(1).events()) == 1, "nothing to do is no event"


SAVED = st.builds(
    Saved,
    ref=st.builds(CheckpointRef, attempt=st.integers(1, 3), step=st.integers(0, 30), prefix=st.just("")),
    keys=st.just(()),
    bytes=st.just(1),
    epoch=st.one_of(st.none(), st.integers(0, 9)),
    snr_db=st.one_of(st.none(), st.floats(-20, 40)),
    whole=st.booleans(),
)
KEEPS = st.builds(
    KeepSpec,
    last=st.one_of(st.none(), st.integers(1, 4)),
    best=st.integers(0, 3),
    every=st.one_of(st.none(), st.integers(1, 4)),
)


@given(st.lists(SAVED, unique_by=lambda saved: saved.ref, max_size=12), KEEPS)
def test_the_newest_whole_one_always_stays_and_a_broken_one_never_counts(saved: list[Saved], policy: KeepSpec) -> None:
    kept = chosen(saved, policy)
    whole = [each for each in saved if each.whole]
    assert kept <= {each.ref for each in whole}
    if whole:
        assert max((each.ref.step, each.ref.attempt) for each in whole) in {(ref.step, ref.attempt) for ref in kept}
    if policy.last is not None and not policy.every:
        assert len(kept) <= policy.last + policy.best


def test_every_n_epochs() -> None:
    saved = [Saved(CheckpointRef(1, epoch, ""), (), 1, epoch, None, True) for epoch in range(1, 11)]
    assert {ref.step for ref in chosen(saved, keep(last=1, best=0, every=4))} == {4, 8, 10}
    assert {ref.step for ref in chosen(saved, keep(last=None))} == set(range(1, 11))


@pytest.mark.parametrize("damage", ["model missing", "model short", "manifest garbled"])
def test_a_broken_one_is_neither_counted_nor_removed(run: Run, store: Store, damage: str) -> None:
    save(run, 10, 1.0)
    for step in (20, 30):
        prefix = save(run, step, 9.0)
        if damage == "model missing":
            store.delete(f"{prefix}/model")
        elif damage == "model short":
            store.put(f"{prefix}/model", WEIGHTS[:-1])
        else:
            store.put(f"{prefix}/manifest.json", b'{"files": {"model": 1}}')
    done = prune(run, "client")
    assert steps(run) == [10, 20, 30]
    assert [saved.ref.step for saved in done.broken] == [20, 30]


def test_evidence_goes_only_when_asked(run: Run, store: Store) -> None:
    save(run, 10)
    save(run, 20, kind="evidence")
    assert not prune(run, "client").leftovers
    assert len(prune(run, "client", evidence=True).leftovers) == 2
    assert steps(run) == [10]
    assert not list(store.list(f"{run.attempt(1).prefix}/evidence/"))


def test_what_is_half_up_is_left_while_its_attempt_goes_on(run: Run, store: Store) -> None:
    save(run, 10)
    store.delete(f"{save(run, 20)}/manifest.json")
    assert not prune(run, "client").leftovers
    run.attempt(1).write_once("outcome.json", Outcome(outcome="failed", reason="x", by="client", time=1.0))
    assert [info.key.split("/")[5] for info in prune(run, "client").leftovers] == ["00000020"]
    assert steps(run) == [10]


def test_a_removal_that_is_cut_short_leaves_nothing_that_looks_complete(run: Run, store: Store) -> None:
    for step in (10, 20, 30, 40):
        save(run, step)

    class Dies:
        """A store whose client is killed after some deletions."""

        def __init__(self, after: int) -> None:
            self.left = after

        def __getattr__(self, name: str) -> Any:
            return getattr(store, name)

        def delete(self, key: str) -> None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            store.delete(key)

    for after in (1, 0, 1):
        with pytest.raises(KeyboardInterrupt):
            prune(Run(Dies(after), run.run_id), "client")  # type: ignore[arg-type]
        whole = plan(run).kept
        assert {saved.ref.step for saved in whole} == {30, 40}
        assert not plan(run).broken
    prune(run, "client")
    assert steps(run) == [30, 40]


def test_beside_the_watching_each_run_is_pruned_now_and_then(run: Run, store: Store) -> None:
    said: list[str] = []
    tidier = Tidier("watchdog", said.append)
    for step in (10, 20, 30):
        save(run, step)
    tidier.tidy(run, at_its_end=False)
    save(run, 40)
    tidier.tidy(run, at_its_end=False)
    assert steps(run) == [20, 30, 40]
    assert said == [f"{run.run_id}: removed 1 checkpoints, 0 MB"]
    tidier.tidy(run, at_its_end=True)
    assert steps(run) == [30, 40]


def test_trouble_with_pruning_ends_no_watching(run: Run, store: Store) -> None:
    class ReadOnly(StoreProxy):
        def delete(self, key: str) -> None:
            raise AccessDenied("not with these credentials")

    for step in (10, 20, 30):
        save(run, step)
    said: list[str] = []
    Tidier("watchdog", said.append).tidy(Run(ReadOnly(store), run.run_id), False)  # type: ignore[arg-type]
    assert said == [f"{run.run_id}: its checkpoints were not pruned: not with these credentials"]


def test_the_command(run: Run, store: Store) -> None:
    for step in (10, 20, 30):
        save(run, step, 1.0 + step)
    words = ["prune", run.run_id, "--store", store.url]
    told = CliRunner().invoke(cli, [*words, "--dry-run"])
    assert told.exit_code == 0, told.output
    assert "would remove 1 checkpoints (steps 10)" in told.output
    assert steps(run) == [10, 20, 30]
    done = json.loads(CliRunner().invoke(cli, [*words, "--json"]).output)
    assert [saved["step"] for saved in done["kept"]] == [20, 30]
    assert steps(run) == [20, 30]


def test_the_command_for_every_run(run: Run, store: Store) -> None:
    other, lost = (Run(store, f"{name}-20250102-030406-00ff") for name in ("other", "lost"))
    other.create(Submission(submitted=2.0, dataset="0123456789abcdef", spec={"name": "other", "data": "/clips"}))
    store.put(f"runs/{lost.run_id}/spec.json", b"no record")
    for each in (run, other):
        for step in (10, 20, 30, 40):
            save(each, step, 1.0 + step)
    words = ["prune", "--all", "--store", store.url]
    told = CliRunner().invoke(cli, [*words, "--dry-run"])
    assert told.exit_code == 3, "one record cannot be read"
    assert f"{lost.run_id}: not pruned: " in told.output
    assert f"{run.run_id}: would remove 2 checkpoints (steps 10, 20)" in told.output
    assert f"{other.run_id}: would remove 1 checkpoints (steps 10)" in told.output
    assert steps(run) == steps(other) == [10, 20, 30, 40]
    store.delete(f"runs/{lost.run_id}/spec.json")
    result = CliRunner().invoke(cli, [*words, "--json"])
    assert result.exit_code == 0, result.output
    done = json.loads(result.output)
    assert done["freed_bytes"] == sum(each["freed_bytes"] for each in done["runs"]) > 3 * len(WEIGHTS)
    assert (steps(run), steps(other)) == ([30, 40], [20, 30, 40])


@pytest.mark.parametrize("words", [[], ["speech", "--all"]])
def test_the_command_wants_one_run_or_all(store: Store, words: list[str]) -> None:
    result = CliRunner().invoke(cli, ["prune", *words, "--store", store.url])
    assert result.exit_code == 2
    assert "either a RUN or --all" in result.output
