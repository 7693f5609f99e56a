import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.store import Store, Unavailable
from job.pod import agent as room
from job.pod.agent import Agent
from job.record.attempt import Attempt
from job.record.documents import Outcome
from job.record.run import Run
from job.run.pod_env import PodEnv


class Away:
    """A store that does not answer the first calls."""

    def __init__(self, store: Store, calls: int) -> None:
        self.store, self.calls = store, calls

    def __getattr__(self, name: str) -> Any:
        if self.calls > 0:
            self.calls -= 1
            raise Unavailable("the store is away")
        return getattr(self.store, name)


@pytest.fixture
def agent(store: Store, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """An agent whose attempt has ended already, so that its work is one look at the record."""
    monkeypatch.setattr(room, "INSIST_PAUSE_SECONDS", 0.01)
    ended = Outcome(outcome="stopped", reason="x", by="client", time=1.0)
    run.attempt(1).write_once("outcome.json", ended)
    env = PodEnv(run.run_id, 1, "launch", store.url, time.time() + 60, "pod", "local", str(tmp_path))
    return Agent(env)


def test_a_store_that_is_away_at_the_start_is_waited_for(agent: Agent, store: Store, run: Run) -> None:
    away = Away(store, 5)
    agent.attempt = Attempt(away, run.run_id, 1)  # type: ignore[arg-type]
    agent.work()
    assert away.calls == 0
    assert agent.log.read_text().count("the record cannot be reached now") == 1, "one line, however long it takes"


def test_but_not_beyond_the_deadline(agent: Agent, store: Store, run: Run) -> None:
    agent.env = replace(agent.env, deadline=time.time() - 1)
    agent.attempt = Attempt(Away(store, 10**9), run.run_id, 1)  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        agent.work()
