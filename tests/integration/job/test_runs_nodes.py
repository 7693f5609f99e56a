"""Runs on two nodes: containers of the real image that train together over gloo, on a network of their own."""

import json
from typing import Any

import docker
from job.record.run import Run


def spec(desk: Any, **changes: Any) -> Any:
    return desk.spec(provider="docker", image=desk.image, nodes=2, gpu_count=0, pod={"cpus": 1}, **changes)


def nodes_of(engine: docker.DockerClient, run: Run) -> list[Any]:
    """The run's containers in the order of their ranks."""
    found = engine.containers.list(all=True, filters={"label": f"codecjob.run={run.run_id}"})
    return sorted(found, key=lambda container: container.labels["codecjob.node"])


def starts(run: Run) -> list[Any]:
    return [row for row in run.rows() if row.kind == "start"]


def test_a_run_on_two_nodes_survives_the_loss_of_one(container_desk: Any, engine: docker.DockerClient) -> None:
    desk = container_desk
    run = desk.submit(spec(desk, train={"num_epochs": 8}))
    (pod,) = desk.provider.find(run.run_id)
    first, second = nodes_of(engine, run)
    desk.wait_for(run.attempt(1).checkpoints)
    second.kill()
    assert first.name == pod.id
    assert starts(run)[0].get("ranks") == 2

    lost = desk.wait_for(run.attempt(1).outcome)
    assert (lost.outcome, lost.cause) == ("failed", "node lost"), lost
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    assert nodes_of(engine, run) == []
    saved = run.newest_checkpoint()
    assert saved is not None
    watched = desk.command("abort-on-bad-signs", run.run_id)
    assert "resumed" in watched.stdout + watched.stderr, watched.stdout + watched.stderr

    desk.wait_for(lambda: len(nodes_of(engine, run)) == 2)
    second = nodes_of(engine, run)[1]
    desk.wait_for(lambda: run.attempt(2).node_beat(1))
    health = second.exec_run(["python", "-m", "job.pod.healthcheck"])
    assert health.exit_code == 0, health.output
    assert desk.wait_for_end(run.attempt(2)) == "succeeded"
    resumed = starts(run)[1]
    assert resumed.step >= saved.step
    assert resumed.get("ranks") == 2
    beat = run.attempt(2).node_beat(1)
    assert beat is not None
    assert (beat.state, beat.exit_code) == ("ended", 0)
    (state,) = json.loads(desk.command("status", "--json").stdout)
    assert (state["state"], state["attempt"], state["billing"], state["pods"]) == ("succeeded", 2, "off", [])
    assert state["verdict"]["verdict"] == "undecided"
    assert nodes_of(engine, run) == []
