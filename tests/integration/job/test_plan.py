"""What is shown and agreed to before a rented pod is paid for: the real command, an S3 server, the fake of RunPod."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

from fakes.runpod.desk import Desk
from job.record.run import Run
from job.run.store_access import HIDDEN
from job.run.termination import end

# As on a laptop without torch: no two steps are trained first. Nor is the image's registry anywhere.
COMMAND = [
    sys.executable,
    "-c",
    "import job.cli.submit as s; s.can_train = lambda: False; import job.cli; job.cli.main()",
]
IMAGE = "127.0.0.1:9/me/codecjob:1"
CATALOG = ("GET", "/catalog/gpus")
CLOUDS = 2  # a question to the catalog is a call for each


def spec(desk: Any, **changes: Any) -> Path:
    rented = {"provider": "runpod", "image": IMAGE, "access": {"share_own_key": True}, "max_price_per_hour": 0.5}
    path: Path = desk.spec(**{**rented, "max_hours": 8, "max_cost": 1, **changes})
    return path


def left_behind(desk: Any, runpod_desk: Desk) -> list[Any]:
    return [*runpod_desk.account.pods, *(info.key for info in desk.store.list(""))]


def test_nobody_to_ask_means_no(client: Any, runpod_desk: Desk, codecjob: Callable[..., Result]) -> None:
    refused = codecjob("submit", spec(client))
    assert refused.exit_code == 2
    (line,) = [line for line in refused.stderr.splitlines() if line.startswith("error:")]
    assert "would cost up to 2.72 USD (0.34 USD/h x 8 h)" in line
    assert "add --yes" in line
    assert "6 clips" in refused.stdout, "the plan is shown"
    assert left_behind(client, runpod_desk) == []
    assert runpod_desk.creates() == 0
    assert "--json asks nothing" in codecjob("submit", spec(client), "--json", "--unwatched").stderr
    assert left_behind(client, runpod_desk) == []


def test_a_no_leaves_nothing_and_a_yes_asks_the_catalog_once(
    client: Any, runpod_desk: Desk, terminal: Callable[..., tuple[int, str]]
) -> None:
    code, shown = terminal(client.env, [*COMMAND, "submit", spec(client)], answer="n")
    assert code == 1, shown
    assert "nothing was uploaded or started" in shown
    assert left_behind(client, runpod_desk) == []
    plan = shown[: shown.index("Start, for up to 2.72 USD")]
    for part in ("RTX A4000", "0.25 USD/h", "or, if taken", "0.34 USD/h", "max_cost 1 USD", "2.9 h", "6 clips"):
        assert part in plan
    table = plan[plan.index("run ") :].splitlines()
    assert max(map(len, table)) <= 40

    calls = runpod_desk.server.api.calls
    calls.clear()
    code, shown = terminal(client.env, [*COMMAND, "submit", spec(client), "--detach", "--unwatched"], answer="y")
    assert code == 0, shown
    assert len(runpod_desk.account.living()) == 1
    assert calls.count(CATALOG) == CLOUDS, "one question, from the preflight to the launch"


def test_a_dry_run_prints_what_is_sent(client: Any, runpod_desk: Desk, codecjob: Callable[..., Result]) -> None:
    job = spec(client)
    dry = codecjob("submit", job, "--dry-run", "--json")
    assert dry.exit_code == 0, dry.stderr
    assert left_behind(client, runpod_desk) == []
    assert runpod_desk.server.api.calls.count(CATALOG) == CLOUDS
    told = json.loads(dry.stdout)
    assert (told["plan"]["worst_usd"], told["plan"]["basis"]) == (2.72, "0.34 USD/h x 8 h")
    assert told["plan"]["upload"]["new_bytes"] == told["plan"]["upload"]["total_bytes"] > 0
    assert [call["body"]["gpu"]["id"] for call in told["requests"]] == ["NVIDIA RTX A4000", "NVIDIA GeForce RTX 4090"]
    first = told["requests"][0]
    assert (first["method"], first["url"]) == ("POST", f"{runpod_desk.server.url}/pods")
    assert first["body"]["env"]["AWS_SECRET_ACCESS_KEY"] == "(hidden)"

    in_words = codecjob("submit", job, "--dry-run").stdout
    assert '"AWS_SECRET_ACCESS_KEY": "(hidden)"' in in_words
    for secret in (client.env["AWS_SECRET_ACCESS_KEY"], runpod_desk.account.key):
        assert secret not in dry.stdout + in_words

    started = codecjob("submit", job, "--yes", "--detach", "--unwatched", "--json")
    assert started.exit_code == 0, started.stderr
    (pod,) = runpod_desk.account.pods.values()
    assert comparable(pod.body) == comparable(first["body"])


def comparable(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is new in every launch, and what is a secret."""
    new = {"CODECJOB_RUN", "CODECJOB_LAUNCH_ID", "CODECJOB_DEADLINE", *HIDDEN}
    env = {name: value for name, value in body["env"].items() if name not in new}
    return {**body, "name": "", "env": env}


def test_a_resume_is_agreed_to_as_well(client: Any, runpod_desk: Desk, codecjob: Callable[..., Result]) -> None:
    started = codecjob("submit", spec(client), "--yes", "--detach", "--unwatched", "--json")
    attempts = Run(client.store, json.loads(started.stdout)["run"])
    end(runpod_desk.provider, attempts.attempt(1), "lost", "for the test", "test", str, agent_grace=0.0)
    for words in ((), ("--json", "--unwatched")):
        refused = codecjob("resume", attempts.run_id, *words)
        assert refused.exit_code == 2
        assert "would cost up to 2.72 USD" in refused.stderr
    assert len(attempts.attempts()) == 1
    assert runpod_desk.account.living() == []
    runpod_desk.server.api.calls.clear()
    resumed = codecjob("resume", attempts.run_id, "--yes", "--detach", "--unwatched")
    assert resumed.exit_code == 0, resumed.stderr
    assert len(attempts.attempts()) == 2
    assert runpod_desk.server.api.calls.count(CATALOG) == CLOUDS
