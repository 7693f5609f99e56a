"""How the key comes into a pod: by its environment alone, and into a rented one by the name of a secret."""

from pathlib import Path
from typing import Any

import pytest

from job.run import wandb_access
from job.run.store_access import shown
from job.spec.load import check_spec
from job.spec.model import JobSpec

KEY = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_PROJECT", "WANDB_IDENTITY_TOKEN_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


def spec(provider: str = "local", **wandb: Any) -> JobSpec:
    return check_spec({"name": "a", "data": "b", "provider": provider, "wandb": wandb or True}, "here")


def test_the_run_is_named_by_its_environment() -> None:
    env = wandb_access.run_env(spec(project="speech", entity="lab", tags=["telugu", "first"]), "run-1")
    assert env == {
        "WANDB_RUN_ID": "run-1",
        "WANDB_RESUME": "allow",
        "WANDB_PROJECT": "speech",
        "WANDB_ENTITY": "lab",
        "WANDB_TAGS": "telugu,first",
    }
    assert wandb_access.run_env(check_spec({"name": "a", "data": "b"}, "here"), "run-1") == {}
    assert wandb_access.run_env(spec(mode="disabled"), "run-1") == {}


def test_the_spec_s_project_goes_before_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wandb_access.run_env(spec(), "r")["WANDB_PROJECT"] == "codecjob"
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    assert wandb_access.run_env(spec(), "r")["WANDB_PROJECT"] == "mine"
    assert wandb_access.run_env(spec(project="speech"), "r")["WANDB_PROJECT"] == "speech"


def test_a_pod_of_this_machine_has_the_key_and_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wandb_access.pod_env(spec("docker")) == {}
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert wandb_access.pod_env(spec()) == {}, "a local pod inherits it"
    assert wandb_access.pod_env(check_spec({"name": "a", "data": "b", "provider": "docker"}, "here")) == {}
    env = wandb_access.pod_env(spec("docker"))
    assert env == {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "https://wandb.example.org"}
    assert KEY not in str(shown(env))


def test_a_rented_pod_never_has_the_key_but_the_name_of_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_access.pod_env(spec("runpod")) == {}
    env = wandb_access.pod_env(spec("runpod", runpod_secret="wandb_key"))
    assert env == {"WANDB_API_KEY": "{{ RUNPOD_SECRET_wandb_key }}"}


def test_the_key_is_found_where_wandb_login_leaves_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wandb_access.key_place() is None
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    netrc.chmod(0o600)
    assert wandb_access.key_place() == str(netrc)
    assert wandb_access.pod_env(spec("docker")) == {"WANDB_API_KEY": KEY}
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert wandb_access.key_place() is None, "a key of another server"
    netrc.write_text("machine")
    assert wandb_access.key_place() is None
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_access.key_place() == "$WANDB_API_KEY"


def test_a_missing_key_is_told_before_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "set WANDB_API_KEY" in (wandb_access.trouble(spec()) or "")
    assert "wandb.runpod_secret" in (wandb_access.trouble(spec("runpod")) or "")
    for fine in (spec(mode="offline"), spec(mode="disabled"), spec("runpod", runpod_secret="key")):
        assert wandb_access.trouble(fine) is None
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert wandb_access.trouble(spec()) is None
    assert wandb_access.trouble(spec("runpod")) is not None, "it is not sent there"
