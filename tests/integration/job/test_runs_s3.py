"""A run whose record lies in a bucket: all that two machines share is the store's URL and the credentials."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from infra.store import open_store
from job.record.run import Run
from servers.server import S3Server, use

LONG = {"num_epochs": 2000}


@pytest.fixture
def cloud_desk(desk: Any, radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk that keeps its record in a bucket. Its pods inherit the credentials."""
    use(radosgw, monkeypatch)
    url = open_store(radosgw.new_url()).url
    desk.store = open_store(url)
    desk.env = {name: value for name, value in desk.env.items() if not name.startswith("AWS_")}
    desk.env |= {**radosgw.env(), "CODECJOB_STORE": url}
    return desk


def test_a_run_goes_from_submit_to_pull(cloud_desk: Any, radosgw: S3Server, tmp_path: Path) -> None:
    spec = cloud_desk.spec(store=cloud_desk.env.pop("CODECJOB_STORE"))
    followed = cloud_desk.command("submit", spec)
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert radosgw.secret not in followed.stdout + followed.stderr
    out = tmp_path / "out"
    # The spec's own store is remembered.
    pulled = cloud_desk.command("pull", "@last", out, "--json")
    assert pulled.returncode == 0, pulled.stderr
    assert (Path(json.loads(pulled.stdout)["checkpoint"]) / "model.safetensors").is_file()
    status = cloud_desk.command("status")
    assert "1 more in another store: codecjob status --store" in status.stderr, status.stdout
    for info in cloud_desk.store.list("runs/"):
        assert radosgw.secret.encode() not in cloud_desk.store.get(info.key), info.key


def test_a_killed_run_resumes_from_the_bucket_alone(cloud_desk: Any, tmp_path: Path) -> None:
    run = cloud_desk.submit(cloud_desk.spec(train=LONG))
    cloud_desk.wait_for(run.attempt(1).checkpoints)
    for module in ("job.supervisor", "job.pod.agent", "codec"):
        for process in cloud_desk.processes(run, module):
            process.send_signal(signal.SIGKILL)
    cloud_desk.wait_for(lambda: not cloud_desk.provider.find(run.run_id))
    saved = run.newest_checkpoint()
    assert saved is not None
    closed = cloud_desk.command("abort-on-bad-signs", run.run_id)  # only who started the pod can say that it is gone
    assert closed.returncode == 21, closed.stdout + closed.stderr

    for kept in ("home", "clips"):
        shutil.rmtree(tmp_path / kept)
    resumed = cloud_desk.command("resume", "@last", "--detach", "--json")
    assert resumed.returncode == 0, resumed.stderr
    second = Run(cloud_desk.store, run.run_id).attempt(2)
    cloud_desk.wait_for(second.checkpoints)
    starts = [row for row in run.rows() if row.kind == "start"]
    assert starts[-1].step == saved.step
    stopped = cloud_desk.command("stop", run.run_id, "--json")
    assert json.loads(stopped.stdout)["billing"] == "off", stopped.stderr
    assert second.outcome().outcome == "stopped"
