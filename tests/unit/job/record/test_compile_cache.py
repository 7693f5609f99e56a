"""Compiled code goes from one attempt's pod to the next, and only code that a pod of the same run has sealed."""

import os
import stat
from pathlib import Path

import pytest

from infra.pods.local import LocalProvider
from infra.store import Store
from job.paths import home
from job.pod.agent import Agent
from job.pod.preparation import Preparation
from job.pod.training import Training
from job.record import compile_cache
from job.record.attempt import Attempt
from job.record.compile_cache import Keeper, remember_secret, restore, seal_key
from job.record.documents import Progress
from job.record.run import Run
from job.run import launch
from job.run.offers import look_for
from job.run.pod_env import PodEnv
from job.run.store_access import shown
from job.spec.load import check_spec

SEALED = "compiled/sealed.zip"
FROM_THE_PROVIDER = {
    "CODECJOB_LAUNCH_ID": "1", "CODECJOB_POD_ID": "p", "CODECJOB_PROVIDER": "local", "CODECJOB_WORKSPACE": "/w",
}  # fmt: skip


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))


MADE = {"0/fxgraph/a": b"graph", "1/b.so": os.urandom(5000), "0/locks/c.lock": b""}  # by two ranks


def compile_into(training: Path, files: dict[str, bytes]) -> None:
    """What the trainer does."""
    for name, data in files.items():
        path = training / "compiled" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def ship(attempt: Attempt, training: Path, key: str | None = None) -> None:
    """An attempt's pod, from before the trainer until after its first step."""
    attempt.note("launched", "client")
    keeper = Keeper(attempt, training, seal_key(attempt.run_id) if key is None else key)
    compile_into(training, MADE)
    keeper.ship(at(1, "training"))


def at(step: int, phase: str) -> Progress:
    return Progress(step=step, epoch=0, phase=phase, time=0.0)


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def shipped(attempt: Attempt) -> list[str]:
    return [info.key.removeprefix(f"{attempt.prefix}/") for info in attempt.store.list(f"{attempt.prefix}/compiled/")]


def test_the_next_attempts_pod_has_what_the_last_one_has_compiled(run: Run, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    ship(run.attempt(1), first)
    assert shipped(run.attempt(1)) == [SEALED]
    assert restore(run, 2, second, seal_key(run.run_id)) == 1
    assert names(second) == {"compiled/0/fxgraph/a", "compiled/1/b.so"}
    assert (second / "compiled/1/b.so").read_bytes() == MADE["1/b.so"]
    assert names(first) == {f"compiled/{name}" for name in MADE}, "nothing is left beside it"


def test_it_is_shipped_once_the_first_step_is_done(run: Run, tmp_path: Path) -> None:
    keeper = Keeper(run.attempt(1), tmp_path, seal_key(run.run_id))
    compile_into(tmp_path, MADE)
    for progress in (None, at(0, "validating"), at(7, "preparing"), at(7, "compiling")):
        keeper.ship(progress)
        assert shipped(run.attempt(1)) == []
    keeper.ship(at(7, "training"))
    assert shipped(run.attempt(1)) == [SEALED]


def test_what_was_restored_is_not_shipped_again_but_with_what_is_new(run: Run, tmp_path: Path) -> None:
    ship(run.attempt(1), tmp_path / "first")
    key = seal_key(run.run_id)
    for number, files in {2: {"0/locks/d.lock": b""}, 3: {"0/of-another-gpu": b"code"}}.items():
        run.attempt(number).note("launched", "client")
        training = tmp_path / str(number)
        assert restore(run, number, training, key) == 1
        keeper = Keeper(run.attempt(number), training, key)
        compile_into(training, files)
        keeper.ship(at(1, "training"))
        assert bool(shipped(run.attempt(number))) == (number == 3)
    assert restore(run, 4, tmp_path / "fourth", key) == 3
    assert len(names(tmp_path / "fourth")) == 3


def test_without_a_key_nothing_is_shipped(run: Run, tmp_path: Path) -> None:
    ship(run.attempt(1), tmp_path, key="")
    assert shipped(run.attempt(1)) == []
    assert restore(run, 2, tmp_path / "second", "") is None


@pytest.mark.parametrize("change", ["flipped", "cut", "seal", "empty", "another run's"])
def test_what_has_not_the_runs_own_seal_is_never_opened(run: Run, store: Store, tmp_path: Path, change: str) -> None:
    ship(run.attempt(1), tmp_path / "first", seal_key("other-20250102-030405-0100") if "run" in change else None)
    key = f"{run.attempt(1).prefix}/{SEALED}"
    data = bytearray(store.get(key))
    if change == "flipped":
        data[-30] ^= 1
    store.put(key, bytes({"cut": data[:-1], "seal": bytes(32) + data[32:], "empty": b""}.get(change, data)))
    assert restore(run, 2, tmp_path / "second", seal_key(run.run_id)) is None
    assert names(tmp_path / "second") == set()


def test_an_older_one_does_where_the_newest_is_forged(run: Run, tmp_path: Path) -> None:
    ship(run.attempt(1), tmp_path / "first")
    ship(run.attempt(2), tmp_path / "second", key="00" * 32)
    assert restore(run, 3, tmp_path / "third", seal_key(run.run_id)) == 1


def test_one_that_is_too_large_is_neither_shipped_nor_fetched(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(run.attempt(1), tmp_path / "first")
    monkeypatch.setattr(compile_cache, "MOST_BYTES", 100)
    ship(run.attempt(2), tmp_path / "second")
    assert shipped(run.attempt(2)) == []
    assert restore(run, 3, tmp_path / "third", seal_key(run.run_id)) is None


def test_a_container_that_is_started_again_keeps_its_own(run: Run, tmp_path: Path) -> None:
    ship(run.attempt(1), tmp_path)
    before = names(tmp_path)
    assert restore(run, 2, tmp_path, seal_key(run.run_id)) is None
    assert names(tmp_path) == before


def test_the_agent_restores_before_it_trains_and_ships_what_is_new(
    run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ship(run.attempt(1), tmp_path / "first")
    monkeypatch.setattr("job.pod.preparation.dataset.pull", lambda *_: None)  # it has a test of its own
    key = seal_key(run.run_id)
    env = PodEnv(run.run_id, 2, "launch", store.url, 0.0, "pod", "local", str(tmp_path / "pod"), seal_key=key)
    (tmp_path / "pod").mkdir()
    agent = Agent(env)
    assert key not in repr(env)
    training = Training(agent)
    Preparation(training).sync()
    assert "compiled code of attempt 1" in agent.log.read_text()
    compile_into(agent.folder, {"0/new": b"code"})
    (agent.folder / "progress.json").write_text(at(1, "training").model_dump_json())
    training.reporter.last_words(None)
    assert shipped(run.attempt(2)) == [SEALED]


def test_a_launch_gives_its_pods_the_key_and_a_dry_run_hides_it(run: Run, store: Store, tmp_path: Path) -> None:
    spec = check_spec({"name": "speech", "data": "/clips", "provider": "local"}, "test")
    candidates = look_for(LocalProvider(tmp_path / "home"), spec).candidates
    (request,) = launch.plan(store, run.run_id, 1, spec, candidates).requests
    assert PodEnv.read({**request.env, **FROM_THE_PROVIDER}).seal_key == seal_key(run.run_id)
    assert seal_key(run.run_id) not in shown(request.env).values()


def test_each_run_has_its_own_key_which_lasts_from_the_first_launch_on(run: Run) -> None:
    key = seal_key(run.run_id)
    assert key == seal_key(run.run_id) != seal_key("speech-20250102-030405-0100")
    assert not home().exists(), "a dry run writes nothing"
    remember_secret()
    file = home() / "seal-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    remember_secret()
    compile_cache._fresh.cache_clear()  # another process
    assert key == seal_key(run.run_id)
    file.unlink()
    assert key != seal_key(run.run_id)


def test_a_home_that_cannot_be_written_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "file"))
    remember_secret()
    assert seal_key("run") == seal_key("run")
