"""Runs in containers of the real image, their record in a folder that both sides see."""

import json
from typing import Any

import docker
from job.record.run import Run

LONG = {"num_epochs": 2000}


def containers(engine: docker.DockerClient, run: Run) -> list[str]:
    summaries = engine.api.containers(all=True, filters={"label": f"codecjob.run={run.run_id}"})
    return [summary["Id"] for summary in summaries]


def spec(desk: Any, **changes: Any) -> Any:
    return desk.spec(provider="docker", image=desk.image, pod={"cpus": 1}, **changes)


def test_a_run_goes_from_submit_to_its_end_and_leaves_no_container(
    container_desk: Any, engine: docker.DockerClient
) -> None:
    followed = container_desk.command("submit", spec(container_desk))
    assert followed.returncode == 0, followed.stdout + followed.stderr
    assert "billing off" in followed.stdout
    (state,) = json.loads(container_desk.command("status", "--json").stdout)
    run = Run(container_desk.store, state["run"])
    assert (state["state"], state["billing"]) == ("succeeded", "off")
    assert run.attempt(1).checkpoints()
    assert containers(engine, run) == []


def test_a_killed_container_is_lost_and_its_run_resumes(container_desk: Any, engine: docker.DockerClient) -> None:
    desk = container_desk
    run = desk.submit(spec(desk, train=LONG))
    desk.wait_for(run.attempt(1).checkpoints)
    (pod,) = desk.provider.find(run.run_id)
    container = engine.containers.get(pod.id)
    health = container.exec_run(["python", "-m", "job.pod.healthcheck"])
    assert health.exit_code == 0, health.output
    container.kill()
    desk.wait_for(lambda: not desk.provider.find(run.run_id))
    assert json.loads(desk.command("status", run.run_id, "--json").stdout)["state"] == "lost"
    saved = run.newest_checkpoint()
    assert saved is not None

    resumed = desk.command("resume", run.run_id, "--detach", "--json")
    assert resumed.returncode == 0, resumed.stderr
    second = run.attempt(2)
    desk.wait_for(lambda: any(row.kind == "start" and row.attempt == 2 for row in run.rows()))
    assert [row.step for row in run.rows() if row.kind == "start"][-1] >= saved.step
    desk.wait_for(second.beat)
    stopped = desk.command("stop", run.run_id, "--json")
    assert json.loads(stopped.stdout)["billing"] == "off", stopped.stderr
    assert containers(engine, run) == []


def test_no_engine_is_one_clear_line(desk: Any) -> None:
    desk.env["DOCKER_HOST"] = "unix:///nobody/listens.sock"
    refused = desk.command("submit", desk.spec(provider="docker", image="codecjob:1"))
    assert refused.returncode == 3
    assert refused.stderr.count("\n") == 1
    assert "no Docker engine answers at unix:///nobody/listens.sock" in refused.stderr


def test_the_image_works_read_only_and_holds_no_tools(engine: docker.DockerClient, image: str, desk: Any) -> None:
    script = (
        "set -e; ! command -v gcc; ! command -v pip; ! python -c 'import pip'; codecjob --version; "
        "codec train --data_dir /clips --checkpoint_dir /workspace/run --num_epochs 1 --hidden_dim 16 --strides 2,4 "
        "--num_quantizers 2 --codebook_size 32 --codebook_dim 4 --segment_length 2000 --batch_size 8 --device cpu"
    )
    printed = engine.containers.run(
        image,
        ["sh", "-c", script],
        read_only=True,
        tmpfs={"/tmp": "", "/workspace": ""},
        volumes=[f"{desk.folder / 'clips'}:/clips:ro"],
        network_mode="none",
        user="4711:4711",
        environment={"OMP_NUM_THREADS": "1"},
        remove=True,
        stderr=True,
    )
    assert b"epoch 1" in printed, printed.decode()[-2000:]


def test_the_image_says_what_it_is(engine: docker.DockerClient, image: str) -> None:
    found = engine.images.get(image)
    config = found.attrs["Config"]
    assert found.labels["codecjob.torch"].startswith("2.")
    assert float(found.labels["codecjob.cuda"]) >= 12
    assert config["Entrypoint"] == ["tini", "--"]
    assert config["Cmd"] == ["python", "-P", "-m", "job.supervisor"]
    assert config["Healthcheck"]["Test"][-1] == "job.pod.healthcheck"
    history = json.dumps(found.history())
    assert "PIP_INDEX_URL=" not in history
