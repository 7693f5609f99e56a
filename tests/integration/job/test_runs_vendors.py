"""A whole job on servers of other vendors: doctor, submit, stop, pull, resume, prune."""

import json
from pathlib import Path
from typing import Any

import pytest

from infra.store import open_store
from servers.server import S3Server, use


@pytest.fixture(params=["seaweedfs", "rclone"])
def vendor_desk(request: pytest.FixtureRequest, desk: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk that keeps its record in a bucket of this server. Its pods inherit the credentials."""
    server: S3Server = request.getfixturevalue(request.param)
    use(server, monkeypatch)
    url = open_store(server.new_url()).url
    desk.store = open_store(url)
    desk.env = {name: value for name, value in desk.env.items() if not name.startswith("AWS_")}
    desk.env |= {**server.env(), "CODECJOB_STORE": url}
    return desk


def test_a_whole_job(vendor_desk: Any, tmp_path: Path) -> None:
    def command(*words: str | Path) -> Any:
        done = vendor_desk.command(*words, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    assert command("doctor")["ok"]
    run = vendor_desk.submit(vendor_desk.spec(train={"num_epochs": 2000}, keep={"last": 1, "best": 0}))
    vendor_desk.wait_for(run.attempt(1).checkpoints)
    stopped = command("stop", run.run_id)
    assert (stopped["billing"], run.attempt(1).outcome().outcome) == ("off", "stopped")
    saved = run.newest_checkpoint()
    assert saved is not None
    pulled = command("pull", run.run_id, tmp_path / "out")
    assert (Path(pulled["checkpoint"]) / "model.safetensors").is_file()

    command("resume", run.run_id, "--detach")
    vendor_desk.wait_for(run.attempt(2).checkpoints)
    assert [row.step for row in run.rows() if row.kind == "start"][-1] == saved.step
    command("stop", run.run_id)
    newest = run.newest_checkpoint()
    command("prune", run.run_id)
    assert run.checkpoints() == [newest]
    assert vendor_desk.command("logs", run.run_id).stdout
