"""Docker pods when their engine goes away and comes back: one of the test's own, so that nobody else's is touched."""

import io
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import docker
from helpers import PATIENCE_SECONDS, wait_until
from infra.pods import LaunchRequest, Machine, PodState, Transient
from infra.pods.docker import DockerProvider

# What this machine's own Python needs in a container of an empty image.
SYSTEM = tuple(folder for folder in ("/usr", "/bin", "/lib", "/lib64") if Path(folder).is_dir())
# Ends when it is told to, as an agent does.
SLEEP = ("/usr/bin/python3", "-c", "import signal; print('hello', flush=True); signal.sigwait([signal.SIGTERM])")


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A short path: that of a socket may have 107 bytes."""
    if os.geteuid() != 0 or not shutil.which("dockerd"):
        pytest.skip("needs root and dockerd: it starts an engine of its own")
    folder = Path(tempfile.mkdtemp(prefix="engine"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{folder}/sock")
    yield folder
    subprocess.run(
        ["umount", folder / "exec" / "netns" / "default"], check=False, capture_output=True, timeout=120
    )  # stays behind
    shutil.rmtree(folder)


@contextmanager
def engine(folder: Path) -> Iterator[None]:
    """An engine with its data in the folder, until the end of the block."""
    places = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    network = ["--bridge=none", "--iptables=false", "--storage-driver=vfs"]
    # In a network of its own: an engine without a bridge removes the one that it finds, which is another engine's.
    command = ["unshare", "--net", "dockerd", "-H", f"unix://{folder}/sock", *places, *network]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                docker.from_env().ping()
                break
            except docker.errors.DockerException:
                said = (folder / "log").read_text()[-1000:]
                assert process.poll() is None, f"dockerd does not start here: {said}"
                assert time.monotonic() < until, said
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)  # it ends its containers, and what else it has started, first


def test_after_a_restart_the_engine_tells_the_truth_about_its_pods(folder: Path) -> None:
    provider = DockerProvider()
    machine = Machine(image="empty", gpu_count=0, network="host", mounts=SYSTEM)
    with engine(folder):
        docker.from_env().images.build(fileobj=io.BytesIO(b"FROM scratch\nENV X=1"), tag="empty", rm=True)
        pod = provider.launch(LaunchRequest("codecjob-a-1", "a", 1, uuid.uuid4().hex, SLEEP, {}, machine))
        wait_until(lambda: b"hello" in b"".join(provider.logs(pod.id)))
        assert [(each.id, each.state) for each in provider.find("a")] == [(pod.id, PodState.RUNNING)]

    with pytest.raises(Transient, match="no Docker engine answers"):
        provider.find("a")

    with engine(folder):
        # Its processes have ended with the engine, and none was started again; what it printed is still there.
        assert provider.find("a") == []
        assert b"".join(provider.logs(pod.id)) == b"hello\n"
        provider.terminate(pod.id)
        assert list(provider.logs(pod.id)) == []
