"""Local pods as real processes that die, hide and outlive each other."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from helpers import wait_until
from infra.pods import CannotTell, InvalidRequest, LaunchRequest, Pod, PodState
from infra.pods.local import LocalProvider

SLEEP = ("sleep", "600")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECJOB_HOME", str(tmp_path / "home"))  # pods that launch pods stay out of the user's own
    return tmp_path / "home"


@pytest.fixture
def provider(home: Path) -> Iterator[LocalProvider]:
    provider = LocalProvider(home)
    yield provider
    for pod in provider.find(None):
        provider.terminate(pod.id)


def launch(provider: LocalProvider, *command: str, run_id: str = "run", **env: str) -> Pod:
    return provider.launch(LaunchRequest("pod", run_id, 1, "launch", command, env))


def python(provider: LocalProvider, script: str, **env: str) -> Pod:
    return launch(provider, sys.executable, "-c", script, **env)


def folder(provider: LocalProvider, pod: Pod) -> Path:
    return provider.home / "pods" / pod.id


def leader(provider: LocalProvider, pod: Pod) -> psutil.Process:
    return psutil.Process(json.loads((folder(provider, pod) / "pid.json").read_text())["pid"])


def ids(provider: LocalProvider) -> list[str]:
    return [pod.id for pod in provider.find("run")]


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def printed_pids(provider: LocalProvider, pod: Pod, count: int = 1) -> list[int]:
    """The process ids that the pod prints, once all are there."""
    wait_until(lambda: b"".join(provider.logs(pod.id)).count(b"\n") >= count)
    return [int(line) for line in b"".join(provider.logs(pod.id)).split()]


def test_what_a_cluster_says_of_nodes_in_a_users_environment_is_not_its_pods(
    provider: LocalProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUM_NODES", "2")
    pod = python(provider, "import os; print(os.environ.get('NUM_NODES'), flush=True)")
    wait_until(lambda: b"".join(provider.logs(pod.id)) == b"None\n")


def test_a_pod_outlives_its_killed_client(provider: LocalProvider, home: Path) -> None:
    script = (
        "import os, signal; from pathlib import Path; from infra.pods import LaunchRequest\n"
        "from infra.pods.local import LocalProvider\n"
        f"LocalProvider(Path({str(home)!r})).launch(LaunchRequest('pod', 'run', 1, 'launch', {SLEEP}, {{}}))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=120).returncode == -signal.SIGKILL
    (pod,) = provider.find("run")
    process = leader(provider, pod)
    assert os.getsid(process.pid) == process.pid  # no terminal's hang-up reaches it
    provider.terminate(pod.id)
    assert not lives(process.pid)


def test_a_client_that_died_before_it_noted_the_process(provider: LocalProvider) -> None:
    pod = launch(provider, *SLEEP)
    process = leader(provider, pod)
    (folder(provider, pod) / "pid.json").unlink()
    assert ids(provider) == [pod.id]
    provider.terminate(pod.id)
    assert not lives(process.pid)


def test_a_reused_process_id_is_neither_counted_nor_hit(provider: LocalProvider) -> None:
    pod = launch(provider, *SLEEP)
    leader(provider, pod).kill()
    foreign = subprocess.Popen(SLEEP)
    try:
        started = psutil.Process(foreign.pid).create_time()
        edit(folder(provider, pod) / "pid.json", pid=foreign.pid, started=started)
        wait_until(lambda: ids(provider) == [])
        provider.terminate(pod.id)
        assert foreign.poll() is None
        assert not folder(provider, pod).exists()
    finally:
        foreign.kill()
        foreign.wait(60)


def test_a_zombie_does_not_live(provider: LocalProvider) -> None:
    pod = python(provider, "")
    wait_until(lambda: ids(provider) == [])
    zombie = subprocess.Popen(["true"], env=os.environ | {"CODECJOB_POD_ID": pod.id})
    try:
        process = psutil.Process(zombie.pid)
        wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE)
        edit(folder(provider, pod) / "pid.json", pid=process.pid, started=process.create_time())
        assert ids(provider) == []
        provider.GRACE_SECONDS = 10_000  # nobody waits for it, or this test would hang
        provider.terminate(pod.id)
    finally:
        zombie.wait(60)


def test_a_client_that_lives_on_leaves_no_zombie(provider: LocalProvider) -> None:
    children = set(psutil.Process().children())
    pod = python(provider, "")
    wait_until(lambda: set(psutil.Process().children()) <= children)
    assert ids(provider) == []
    assert folder(provider, pod).exists()


def test_orphans_are_found_and_ended(provider: LocalProvider) -> None:
    script = (
        "import subprocess, time\nprint(subprocess.Popen(['setsid', 'sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    pod = python(provider, script)
    (orphan,) = printed_pids(provider, pod)
    first = leader(provider, pod)
    first.kill()
    wait_until(lambda: not lives(first.pid))
    assert ids(provider) == [pod.id]
    provider.terminate(pod.id)
    assert not lives(orphan)
    assert ids(provider) == []


def test_the_output_of_a_dead_pod_stays_until_it_is_terminated(provider: LocalProvider) -> None:
    pod = python(provider, "print('last words')")
    wait_until(lambda: ids(provider) == [])
    assert list(provider.logs(pod.id)) == [b"last words\n"]
    provider.terminate(pod.id)
    assert list(provider.logs(pod.id)) == []


def test_deaf_processes_are_killed_after_the_grace(provider: LocalProvider) -> None:
    script = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "os.fork(); print(os.getpid(), flush=True); time.sleep(600)"
    )
    pod = python(provider, script)
    pids = printed_pids(provider, pod, 2)
    provider.GRACE_SECONDS = 0.5
    before = time.monotonic()
    provider.terminate(pod.id)
    assert time.monotonic() - before >= 0.5
    assert not any(map(lives, pids))


def test_others_may_end_in_order(provider: LocalProvider, tmp_path: Path) -> None:
    marker = tmp_path / "saved"
    script = (
        "import pathlib, signal, sys, time\n"
        f"def end(*_): pathlib.Path({str(marker)!r}).touch(); sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print(0, flush=True); time.sleep(600)"
    )
    pod = python(provider, script)
    printed_pids(provider, pod)
    provider.terminate(pod.id)
    assert marker.exists()


def test_a_child_without_an_environment_is_ended_too(provider: LocalProvider) -> None:
    script = "import subprocess; p = subprocess.Popen(['sleep', '600'], env={}); print(p.pid, flush=True); p.wait()"
    pod = python(provider, script)
    (child,) = printed_pids(provider, pod)
    provider.terminate(pod.id)
    assert not lives(child)


LAUNCH_INNER = (
    "import os, time; from infra.pods import LaunchRequest; from infra.pods.local import LocalProvider\n"
    f"LocalProvider().launch(LaunchRequest('inner', 'inner', 1, 'launch', {SLEEP}, {{}}))\n"
    "print(os.getpid(), flush=True); time.sleep(600)"
)


def test_a_pod_launched_by_a_pod_is_one_of_its_own(provider: LocalProvider) -> None:
    outer = python(provider, LAUNCH_INNER)
    printed_pids(provider, outer)
    (inner,) = provider.find("inner")
    provider.terminate(outer.id)
    assert [pod.id for pod in provider.find(None)] == [inner.id]


def test_a_pod_can_end_itself(provider: LocalProvider, home: Path, tmp_path: Path) -> None:
    # The caller is a child of the pod's first process, as the agent is of its supervisor.
    go, returned, survived = tmp_path / "go", tmp_path / "returned", tmp_path / "survived"
    agent = (
        "import os, pathlib, subprocess, time; from infra.pods.local import LocalProvider\n"
        "print(subprocess.Popen(['sleep', '600']).pid, flush=True)\n"
        f"while not pathlib.Path({str(go)!r}).exists(): time.sleep(0.02)\n"
        "LocalProvider().terminate(os.environ['CODECJOB_POD_ID'])\n"
        f"pathlib.Path({str(returned)!r}).touch()"
    )
    script = (
        f"import pathlib, subprocess, sys; subprocess.run([sys.executable, '-c', {agent!r}])\n"
        f"pathlib.Path({str(survived)!r}).touch()"
    )
    pod = python(provider, script)
    supervisor = leader(provider, pod)
    (trainer,) = printed_pids(provider, pod)
    go.touch()
    wait_until(returned.exists)
    assert not lives(trainer)
    assert list((home / "pods").iterdir()) == []
    assert ids(provider) == []
    wait_until(lambda: not lives(supervisor.pid))
    assert survived.exists()


def test_a_relative_home_means_the_same_inside_the_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODECJOB_HOME", "here")
    provider = LocalProvider()
    pod = python(provider, "import os; from infra.pods.local import LocalProvider; print(LocalProvider().home)")
    wait_until(lambda: ids(provider) == [])
    assert list(provider.logs(pod.id)) == [f"{tmp_path}/here\n".encode()]


def test_concurrent_launches_and_terminations(provider: LocalProvider) -> None:
    with ThreadPoolExecutor(4) as pool:
        pods = list(pool.map(lambda _: launch(provider, *SLEEP), range(4)))
        assert len(set(ids(provider))) == 4
        pids = [leader(provider, pod).pid for pod in pods]
        # Two callers for each pod, as an agent and a watchdog may be.
        list(pool.map(provider.terminate, [pod.id for pod in pods for _ in range(2)]))
    assert ids(provider) == []
    assert not any(map(lives, pids))
    assert list((provider.home / "pods").iterdir()) == []


def test_a_pod_of_another_machine_cannot_be_told(provider: LocalProvider) -> None:
    pod = launch(provider, *SLEEP)
    other = launch(provider, *SLEEP, run_id="other")
    record = folder(provider, pod) / "pod.json"
    mine = json.loads(record.read_text())["machine_id"]
    edit(record, machine_id="another", host="node7")
    try:
        for ask in (lambda: provider.find("run"), lambda: provider.find(None), lambda: provider.terminate(pod.id)):
            with pytest.raises(CannotTell, match=f"pod {pod.id} of run run was started on node7: only that machine"):
                ask()
        assert [found.id for found in provider.find("other")] == [other.id]
    finally:
        edit(record, machine_id=mine)
    assert ids(provider) == [pod.id]


def test_a_pod_of_an_earlier_boot_is_gone(provider: LocalProvider) -> None:
    pod = launch(provider, *SLEEP)
    edit(folder(provider, pod) / "pod.json", boot_id="earlier")
    assert ids(provider) == []
    provider.terminate(pod.id)
    assert not folder(provider, pod).exists()


def test_an_unreadable_record_proves_nothing(provider: LocalProvider) -> None:
    pod = launch(provider, *SLEEP)
    record = folder(provider, pod) / "pod.json"
    good = record.read_text()
    record.write_text(good[:20])
    try:
        with pytest.raises(CannotTell, match=r"cannot read .*pod.json"):
            provider.find("run")
        with pytest.raises(CannotTell, match=r"cannot read .*pod.json"):
            provider.terminate(pod.id)
    finally:
        record.write_text(good)
    assert ids(provider) == [pod.id]


def test_a_pod_being_launched_is_starting_until_its_client_dies(provider: LocalProvider) -> None:
    # A client between "pod.json is written" and "the process runs": it holds the lock.
    pod = launch(provider, *SLEEP)
    leader(provider, pod).kill()
    wait_until(lambda: ids(provider) == [])
    (folder(provider, pod) / "pid.json").unlink()
    with (folder(provider, pod) / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert [found.state for found in provider.find("run")] == [PodState.STARTING]
        ending = threading.Thread(target=provider.terminate, args=(pod.id,))
        ending.start()
        ending.join(0.3)
        assert ending.is_alive()  # nobody pulls the folder away from under a launch
    ending.join(300)
    assert not ending.is_alive()
    assert not folder(provider, pod).exists()
    assert ids(provider) == []


@pytest.mark.parametrize("command", [(), ("no-such-program-anywhere",), ("/etc/hostname",), ("sleep", "a\0b")])
def test_what_cannot_start_leaves_nothing(provider: LocalProvider, command: tuple[str, ...]) -> None:
    with pytest.raises(InvalidRequest):
        launch(provider, *command)
    assert ids(provider) == []
    assert list(provider.home.glob("pods/*")) == []


@pytest.mark.parametrize("pod_id", ["", "../..", "local-1", "local-0123456789ab/.."])
def test_pod_ids_are_checked_before_they_become_paths(provider: LocalProvider, pod_id: str) -> None:
    with pytest.raises(InvalidRequest):
        provider.terminate(pod_id)
