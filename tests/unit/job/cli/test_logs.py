"""What is printed of a record's logs: of which node, from when on, and each line once."""

import time
from typing import Any

import pytest
from click.testing import CliRunner

from infra.store import Store
from job.cli import logs
from job.cli.logs import command
from job.errors import UsageError
from job.record.documents import Intent, Submission
from job.record.run import Run


@pytest.fixture
def run(store: Store) -> Run:
    run = Run(store, "speech-20250102-030405-00ff")
    spec = {"name": "speech", "data": "/clips", "provider": "docker", "nodes": 2}
    run.create(Submission(submitted=time.time(), dataset="0123456789abcdef", spec=spec))
    return run


def stamp(ago: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(time.time() - ago))


def start(run: Run, number: int, *lines: str) -> None:
    attempt = run.attempt(number)
    now = time.time() - 7200
    attempt.write_once("intent.json", Intent(launch_id="l", pod_name="p", deadline=now, time=now))
    attempt.add_segment("log", 1, "".join(f"{line}\n" for line in lines).encode())


def printed(run: Run, *words: str) -> str:
    found = CliRunner().invoke(command, ["@last", "--store", run.store.url, *words])
    if found.exception and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found.output


def test_all_of_the_attempts(run: Run) -> None:
    start(run, 1, "first", "half")
    start(run, 2, "second")
    assert printed(run) == f"first\nhalf\n--- attempt 2 of {run.run_id}\nsecond\n"


def test_only_what_was_written_since(run: Run) -> None:
    start(
        run, 1, f"agent {stamp(7000)}: old", "  of the old", f"{stamp(300)}  step 3/9", "Traceback:", f"{stamp(5)}  new"
    )
    assert printed(run, "--since", "10m").splitlines()[0].endswith("step 3/9")
    assert printed(run, "--since", "1m").splitlines() == [printed(run).splitlines()[-1]]
    assert printed(run, "--since", "1s") == ""


def test_the_other_nodes(run: Run) -> None:
    start(run, 1, "of the first")
    assert printed(run, "--node", "1").startswith(f"{run.run_id} has not written a log of node 1 yet: codecjob status")
    run.store.put(f"{run.attempt(1).prefix}/nodes/1.log", b"of the second\nunfinished")
    assert printed(run, "--node", "1") == "of the second\nunfinished"
    assert printed(run, "--node", "all") == "node 0| of the first\nnode 1| of the second\nnode 1| unfinished"
    for wrong in ("2", "-1", "x"):
        with pytest.raises(UsageError, match=f"--node {wrong}: .* has 0 to 1, or all"):
            printed(run, "--node", wrong)


def test_following_prints_each_line_once_also_of_a_window_that_moves(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    start(run, 1, "one")
    key = f"{run.attempt(1).prefix}/nodes/1.log"
    lines = [f"line {number}\n".encode() for number in range(2000)]
    run.store.put(key, b"".join(lines[:1000]) + b"line 10")
    looks: list[Any] = []

    class State:
        state = "training"

    def look(*_: Any) -> State:
        looks.append(None)
        if len(looks) == 2:
            run.store.put(key, b"".join(lines[500:1500]))
            run.attempt(1).add_segment("log", 1, b"one\ntwo\n", known=4)
        if len(looks) == 3:
            State.state = "succeeded"
        return State()

    monkeypatch.setattr(logs, "look", look)
    monkeypatch.setattr(logs, "POLL_SECONDS", 0.0)
    said = printed(run, "-f", "--node", "all").splitlines()
    assert [line for line in said if line.startswith("node 0| ")] == ["node 0| one", "node 0| two"]
    assert [line for line in said if line.startswith("node 1| ")] == [
        f"node 1| line {number}" for number in range(1500)
    ]
