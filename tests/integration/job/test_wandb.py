"""A real bad run with wandb offline: what it leaves in the record tells of everything, but the key."""

from pathlib import Path
from typing import Any

from fakes.wandb_file import read_offline_run
from job.record.find import list_runs
from job.record.run import Run

KEY = "5ecr37" + "0123456789" * 3 + "abcd"


def test_an_aborted_run_is_read_back_from_what_is_pulled(desk: Any, tmp_path: Path) -> None:
    desk.env["WANDB_API_KEY"] = KEY
    spec = desk.spec(
        train={"num_epochs": 50, "learning_rate": 3.0},
        checklist={"min_steps": 20},
        wandb={"mode": "offline", "project": "speech", "tags": ["telugu"]},
    )
    followed = desk.command("submit", spec)
    assert followed.returncode == 21, followed.stdout + followed.stderr
    pulled = desk.command("pull", "@last", tmp_path / "out")
    assert pulled.returncode == 0, pulled.stderr
    assert "wandb sync" in pulled.stdout
    [run_id] = list_runs(desk.store)

    trained, last = (read_offline_run(path) for path in sorted((tmp_path / "out").glob("wandb/offline-run-*/*.wandb")))
    assert (trained.run_id, last.run_id, last.project) == (run_id, run_id, "speech")
    assert (trained.config["learning_rate"], last.config["job"]["name"]) == (3.0, "tiny")
    assert any("validation/snr_db" in row for row in trained.history)
    assert [row for row in trained.history if "samples/0-decoded.path" in row]
    outcome = Run(desk.store, run_id).attempt(1).outcome()
    assert outcome is not None
    assert (last.summary["verdict"], last.summary["outcome"], last.exit_code) == ("bad", "aborted", 1)
    assert last.tags == ["telugu", "verdict:bad"]
    assert last.alerts == [(f"{run_id} aborted", outcome.reason, "ERROR")]

    said = followed.stdout + followed.stderr + pulled.stdout + pulled.stderr
    kept = b"".join(path.read_bytes() for path in (desk.folder / "home").rglob("*") if path.is_file())
    assert KEY not in said
    assert KEY.encode() not in kept
