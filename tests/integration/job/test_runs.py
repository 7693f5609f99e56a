"""A run from submit to outcome, and what happens to it when its processes are killed."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers import event_names, log_of
from job.record.run import Run
from job.verdict.rows import collate

LONG = {"num_epochs": 2000}


def test_a_run_is_recorded_whole_and_can_be_pulled(desk: Any, tmp_path: Path) -> None:
    followed = desk.command("submit", desk.spec())
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert "billing off" in followed.stdout
    assert "\x1b" not in followed.stdout + followed.stderr, "no bars and no colour in a pipe"
    status = json.loads(desk.command("status", "@last", "--json").stdout)
    assert (status["state"], status["billing"], status["epoch"]) == ("succeeded", "off", 2)

    run = Run(desk.store, status["run"])
    (attempt,) = run.attempts()
    kinds = [row.kind for row in collate(run.rows())]
    assert kinds[0] == "start"
    assert kinds.count("validation") == 3  # the baseline and both epochs
    log = log_of(attempt)
    assert "all 2 epochs are done" in log
    assert "agent" in log.splitlines()[-1], "the log is complete before the pod ends"
    assert event_names(attempt) == ["launched", "agent started", "ended"]
    assert not list((desk.folder / "home" / "pods").iterdir()), "a pod that has ended leaves nothing"

    out = tmp_path / "out"
    pulled = desk.command("pull", "@last", out, "--json")
    assert pulled.returncode == 0, pulled.stderr
    checkpoint = Path(json.loads(pulled.stdout)["checkpoint"])
    assert (checkpoint / "model.safetensors").is_file()
    assert len(list((out / "samples").glob("*/*-decoded.wav"))) > 0
    judged = desk.command("check", out / "metrics.jsonl", "--json")
    assert json.loads(judged.stdout)["verdict"] == status["verdict"]["verdict"]


def test_a_bad_run_is_stopped_with_its_evidence_and_is_not_resumed(desk: Any) -> None:
    spec = desk.spec(train={**LONG, "learning_rate": 3.0}, checklist={"min_steps": 20})
    followed = desk.command("submit", spec)
    assert followed.returncode == 21, followed.stdout + followed.stderr
    status = json.loads(desk.command("status", "@last", "--json").stdout)
    assert (status["state"], status["billing"], status["verdict"]["verdict"]) == ("aborted", "off", "bad")
    assert status["epoch"] <= 1

    (attempt,) = Run(desk.store, status["run"]).attempts()
    evidence = [info.key for info in desk.store.list(f"{attempt.prefix}/evidence/")]
    assert any(key.endswith("manifest.json") for key in evidence)
    assert attempt.verdict()["verdict"] == "bad"

    again = desk.command("resume", "@last")
    assert again.returncode == 2
    assert again.stderr.startswith(f"error: {status['run']} was aborted")
    assert desk.command("abort-on-bad-signs", "@last").returncode == 21


@pytest.mark.parametrize("victim", ["codec", "job.pod.agent", "all"])
def test_a_killed_run_resumes_from_its_last_checkpoint(desk: Any, victim: str) -> None:
    run = desk.submit(desk.spec(train=LONG))
    first = run.attempt(1)
    desk.wait_for(first.checkpoints)
    modules = ["job.supervisor", "job.pod.agent", "codec"] if victim == "all" else [victim]
    for module in modules:
        for process in desk.processes(run, module):
            process.send_signal(signal.SIGKILL)
    desk.wait_for(lambda: not desk.provider.find(run.run_id))

    saved = run.newest_checkpoint()
    resumed = desk.command("resume", run.run_id, "--detach", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert first.outcome().outcome == "failed"
    second = run.attempt(2)
    desk.wait_for(second.checkpoints)
    starts = [row for row in run.rows() if row.kind == "start"]
    assert starts[-1].step == saved.step
    lost = max(row.step for row in run.rows([first])) - saved.step
    assert lost <= 2 * starts[0].get("steps_per_epoch"), "at most the epoch that was going on"

    stopped = desk.command("stop", run.run_id, "--json")
    assert json.loads(stopped.stdout)["billing"] == "off"
    assert second.outcome().outcome == "stopped"
    assert run.newest_checkpoint().step > saved.step


def test_a_trainer_left_alone_is_still_billed_and_can_be_stopped(desk: Any) -> None:
    run = desk.submit(desk.spec(train=LONG))
    desk.wait_for(run.attempt(1).checkpoints)
    for module in ("job.supervisor", "job.pod.agent"):
        for process in desk.processes(run, module):
            process.send_signal(signal.SIGKILL)
    assert desk.processes(run, "codec")
    assert json.loads(desk.command("status", run.run_id, "--json").stdout)["billing"] == "on"
    refused = desk.command("resume", run.run_id)
    assert refused.returncode == 2
    assert "still running" in refused.stderr

    pod = desk.provider.find(run.run_id)[0]
    desk.provider.terminate(pod.id)
    assert json.loads(desk.command("stop", run.run_id, "--json").stdout)["billing"] == "off"
    assert run.attempt(1).outcome() is not None


def test_the_deadline_ends_a_run_with_a_checkpoint(desk: Any) -> None:
    run = desk.submit(desk.spec(train=LONG, max_hours=15 / 3600))
    assert desk.wait_for_end(run.attempt(1)) == "expired"
    assert run.attempt(1).outcome().by == "agent"


def test_training_outlives_a_store_that_is_away(desk: Any) -> None:
    run = desk.submit(desk.spec(train={"num_epochs": 20}))
    attempt = run.attempt(1)
    desk.wait_for(attempt.checkpoints)
    root = desk.folder / "home" / "store"
    away = root.with_name("away")
    root.rename(away)
    root.touch()  # a file in its place: every call fails
    (pod,) = desk.provider.find(run.run_id)
    rows = desk.folder / "home" / "pods" / pod.id / "workspace" / "training" / "metrics.jsonl"
    size = rows.stat().st_size
    desk.wait_for(lambda: rows.stat().st_size > size + 2000)
    root.unlink()
    away.rename(root)
    assert desk.wait_for_end(attempt) == "succeeded"
    steps = [row.step for row in collate(run.rows()) if row.kind == "validation"]
    assert len(steps) == 21, "no row was lost"
    log = log_of(attempt)
    assert "the record cannot be reached now" in log


def test_ctrl_c_detaches_and_the_run_goes_on(desk: Any) -> None:
    spec = desk.spec(train=LONG)
    said = desk.folder / "said"
    with said.open("w") as output:
        client = subprocess.Popen(
            [sys.executable, "-m", "job", "submit", str(spec)], env=desk.env, stdout=output, start_new_session=True
        )
    line = desk.wait_for(lambda: next((at for at in said.read_text().splitlines() if "has started" in at), None))
    run = Run(desk.store, line.split()[1])
    desk.wait_for(lambda: desk.processes(run, "codec"))
    client.send_signal(signal.SIGINT)
    assert client.wait(timeout=60) == 130
    assert "detached; the run goes on" in said.read_text()
    assert desk.provider.find(run.run_id)
    assert desk.command("stop", run.run_id).returncode == 0
