"""The command, over pods that are real processes."""

import json
import sys
import time
from typing import Any

from infra.pods import LaunchRequest
from job.record.documents import Claim, Intent, Submission
from job.record.run import Run
from job.run.launch import store_mark
from job.spec.load import load_spec

SLEEP = (sys.executable, "-c", "import time; time.sleep(300)")


def test_what_is_billed_against_what_is_recorded(desk: Any) -> None:
    run = Run(desk.store, "tiny-20260101-000000-0000")
    run.create(Submission(submitted=1.0, dataset="none", spec=load_spec(desk.spec()).model_dump(mode="json")))
    mark = store_mark(desk.store)

    def pod(number: int, launch_id: str) -> Any:
        return desk.provider.launch(LaunchRequest("pod", run.run_id, number, launch_id, SLEEP, {}))

    def claim(number: int, pod_id: str) -> None:
        written = Claim(launch_id=f"{mark}-{number}", pod_id=pod_id, price_per_hour=0.0, time=1.0)
        run.attempt(number).write_once("claim.json", written)

    def make_older(listed: Any) -> None:
        path = desk.folder / "home" / "pods" / listed.id / "pod.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "created": time.time() - 1000}))

    own = pod(1, f"{mark}-1")
    claim(1, own.id)
    orphan = pod(2, f"{mark}-2")
    claim(2, "local-000000000000")
    foreign = pod(3, "00000000-1")
    make_older(orphan)
    make_older(foreign)
    run.attempt(3).write_once("intent.json", Intent(launch_id=f"{mark}-3", pod_name="x", deadline=9e9, time=1.0))
    claim(3, "local-000000000001")

    def kinds(done: Any) -> dict[str, str]:
        entries = json.loads(done.stdout)["entries"]  # a Docker engine of this machine may have pods of its own
        return {entry["pod_id"]: entry["kind"] for entry in entries if entry["provider"] == "local"}

    done = desk.command("reconcile", "--json")
    assert done.returncode == 20, done.stderr
    expected = {own.id: "tracked", orphan.id: "orphaned", foreign.id: "foreign"}
    assert kinds(done) == expected
    assert "billed, and no record owns it" in desk.command("status").stderr
    done = desk.command("reconcile", "--terminate")
    assert done.returncode == 21, done.stderr
    assert f"orphaned  local pod {orphan.id}" in done.stdout
    assert "ended, billing off" in done.stdout
    assert {listed.id for listed in desk.provider.find(None)} == {own.id, foreign.id}
    assert desk.command("status").stderr == ""

    desk.provider.terminate(own.id)
    desk.provider.terminate(foreign.id)
    done = desk.command("reconcile", "--json")
    assert (done.returncode, kinds(done)) == (0, {"local-000000000001": "vanished"})
    assert run.attempt(3).outcome().reason == "the pod vanished without an outcome"
    assert kinds(desk.command("reconcile", "--json")) == {}
