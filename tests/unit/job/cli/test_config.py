"""codecjob config: what is in effect and who says so, and no secret in it."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from job.cli import cli
from job.run import last_image
from job.run.last_image import KnownImage

IMAGE = KnownImage(tag="lab:1", id="sha256:1", version="0.1.0", commit="c", torch="2.11", cuda="13.0")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home folder; nothing is set in the environment."""
    for name in [
        name for name in os.environ if name.startswith(("AWS_", "CODECJOB_", "RUNPOD_", "DOCKER_", "WANDB_", "NETRC"))
    ]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def config(**env: str) -> dict[str, Any]:
    done = CliRunner().invoke(cli, ["config", "--json"], env=env)
    assert (done.exit_code, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert isinstance(document, dict)
    return document


def test_nothing_is_set(home: Path) -> None:
    found = config()
    assert found["home"] == {"value": str(home / ".codecjob"), "from": "default"}
    assert found["store"] == {"value": (home / ".codecjob" / "store").as_uri(), "from": "default"}
    assert found["provider"] == {"value": "local", "from": "default of a spec"}
    absent = ("image", "runpod_key", "aws_endpoint", "aws_credentials", "wandb_key", "pod_credentials")
    assert [found[name]["value"] for name in absent] == [None] * len(absent)
    assert "RUNPOD_API_KEY" in found["runpod_key"]["from"]


def test_each_says_where_it_comes_from(home: Path) -> None:
    (home / ".runpod").mkdir()
    (home / ".runpod" / "config.toml").write_text('apikey = "rpa_hush"')
    found = config(CODECJOB_HOME=str(home / "lab"), DOCKER_HOST="tcp://engine:2375")
    assert found["home"] == {"value": str(home / "lab"), "from": "$CODECJOB_HOME"}
    assert found["store"] == {"value": (home / "lab" / "store").as_uri(), "from": "$CODECJOB_HOME"}
    assert found["docker_host"] == {"value": "tcp://engine:2375", "from": "$DOCKER_HOST"}
    assert found["runpod_key"] == {"value": "set", "from": str(home / ".runpod" / "config.toml")}
    found = config(CODECJOB_STORE="s3://bucket/lab?endpoint=https://s3.example.com", RUNPOD_API_KEY="rpa_env")
    assert found["store"] == {"value": "s3://bucket/lab?endpoint=https://s3.example.com", "from": "$CODECJOB_STORE"}
    assert found["aws_endpoint"] == {"value": "https://s3.example.com", "from": "the store's URL"}
    assert found["runpod_key"] == {"value": "set", "from": "$RUNPOD_API_KEY"}


def test_wandb_s_key_is_found_and_not_shown(home: Path) -> None:
    (home / ".netrc").write_text("machine api.wandb.ai login user password hush\n")
    (home / ".netrc").chmod(0o600)
    assert config()["wandb_key"] == {"value": "set", "from": str(home / ".netrc")}
    found = config(WANDB_API_KEY="hush", WANDB_PROJECT="speech")
    assert found["wandb_key"] == {"value": "set", "from": "$WANDB_API_KEY"}
    assert found["wandb_project"] == {"value": "speech", "from": "$WANDB_PROJECT"}
    assert "hush" not in json.dumps(found)


def test_the_image_that_pods_would_run(home: Path) -> None:
    last_image.write(IMAGE)
    assert config()["image"]["value"] == "lab:1"
    last_image.write(IMAGE.model_copy(update={"pushed": "registry.example.com/lab@sha256:2"}))
    assert config()["image"]["value"] == "registry.example.com/lab@sha256:2"


def test_what_cannot_be_used_hides_nothing_else(home: Path) -> None:
    (home / ".codecjob").mkdir()
    (home / ".codecjob" / "image.json").write_text("half")
    found = config(CODECJOB_STORE="gopher://lab", AWS_PROFILE="nobody", CODECJOB_RUNPOD_URL="http://far.example.com")
    assert "unknown store gopher" in found["store"]["from"]
    assert "remove it" in found["image"]["from"]
    assert "no such profile" in found["aws"]["from"]
    assert "https only" in found["runpod_url"]["from"]
    assert found["home"]["value"] == str(home / ".codecjob")


def test_no_secret_is_shown(home: Path) -> None:
    env = {
        "RUNPOD_API_KEY": "hush-1",
        "AWS_ACCESS_KEY_ID": "hush-2",
        "AWS_SECRET_ACCESS_KEY": "hush-3",
        "AWS_ENDPOINT_URL": "https://me:hush-4@s3.example.com",
        "CODECJOB_POD_ACCESS_KEY_ID": "hush-5",
        "CODECJOB_RUNPOD_URL": "http://me:hush-6@far.example.com",
        "DOCKER_HOST": "tcp://me:hush-7@engine:2375",
    }
    for words in (["config"], ["config", "--json"]):
        done = CliRunner().invoke(cli, words, env=env)
        assert done.exit_code == 0
        assert "hush" not in done.output
        assert "https://s3.example.com" in done.output
        assert "$CODECJOB_POD_ACCESS_KEY_ID" in done.output
