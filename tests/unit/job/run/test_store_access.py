"""What a pod is given where no server has to be asked."""

import base64
import json
import time
from pathlib import Path

import pytest

from job.errors import UsageError
from job.run.store_access import KEY_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE, Access, shown, store_access
from job.spec.model import AccessSpec

URL = "s3://bucket/lab?endpoint=https://s3.example.com"
R2 = "s3://bucket/lab?endpoint=https://0123abcd.r2.cloudflarestorage.com"


@pytest.fixture(autouse=True)
def client(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY_VARIABLE, SECRET_VARIABLE, TOKEN_VARIABLE, "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "own-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "own-secret")


def give(url: str = URL, provider: str = "runpod", hours: float = 1.0, **access: object) -> Access:
    spec = AccessSpec.model_validate(access)
    return store_access(url, "run", "data", hours * 3600, attempt=2, provider=provider, access=spec)


def test_a_local_pod_inherits() -> None:
    assert give(provider="local") == Access()


def test_a_folder_is_shared_on_this_machine_only(tmp_path: Path) -> None:
    assert give(f"file://{tmp_path}", "docker").env == {}
    with pytest.raises(UsageError, match=r"runpod cannot reach file://.*; give the run a bucket"):
        give(f"file://{tmp_path}")


def test_a_paid_pod_is_not_given_the_clients_own_key_unless_told() -> None:
    with pytest.raises(UsageError, match=r"a pod of runpod is not given those: set access\.role") as caught:
        give()
    assert "own-secret" not in str(caught.value)
    told = give(share_own_key=True)
    assert told.env["AWS_SECRET_ACCESS_KEY"] == "own-secret"
    assert "it can do all that you can do there, also delete" in told.warnings[0]


def test_at_home_the_own_key_is_given_with_a_warning() -> None:
    given = give(provider="docker")
    assert given.kind == "own key"
    assert given.warnings


def test_a_restricted_key_comes_before_the_own_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "pod-key")
    with pytest.raises(UsageError, match="one of them is missing"):
        give()
    monkeypatch.setenv(SECRET_VARIABLE, "pod-secret")
    given = give()
    assert (given.env["AWS_ACCESS_KEY_ID"], given.env["AWS_SECRET_ACCESS_KEY"]) == ("pod-key", "pod-secret")
    assert given.env["AWS_SESSION_TOKEN"] == ""
    assert "what that key can reach in bucket bucket, the pod can" in given.warnings[0]
    assert "access.runpod_secret" in given.warnings[1]
    assert len(give(provider="docker").warnings) == 1


def test_runpods_secrets_are_named_not_read() -> None:
    given = give(runpod_secret="lab")
    assert given.env["AWS_ACCESS_KEY_ID"] == "{{ RUNPOD_SECRET_lab_key_id }}"
    assert given.env["AWS_SECRET_ACCESS_KEY"] == "{{ RUNPOD_SECRET_lab_secret }}"
    assert "own-secret" not in str(given.env)
    with pytest.raises(UsageError, match="docker keeps none: remove it"):
        give(provider="docker", runpod_secret="lab")


def test_r2_gets_a_session_of_its_own() -> None:
    given = give(R2, hours=2)
    assert given.expires is not None
    assert given.expires == pytest.approx(time.time() + 2 * 3600 + 120, abs=5)
    token = base64.b64decode(given.env["AWS_SESSION_TOKEN"]).decode()
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    assert "lab/runs/run/attempts/2/" in claims["paths"]["prefixPaths"]
    assert "may overwrite objects of all data sets" in given.warnings[0]
    assert "own-secret" not in str(given.env) + token


def test_the_pod_gets_a_url_that_needs_no_file_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile lab]\nregion = eu-west-3\nendpoint_url = https://host:9000\n"
        "aws_access_key_id = file-key\naws_secret_access_key = file-secret\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    given = give("s3://bucket/lab?profile=lab", "docker")
    assert given.env["CODECJOB_STORE"] == "s3://bucket/lab?endpoint=https://host:9000&region=eu-west-3&addressing=path"
    assert given.env["AWS_ACCESS_KEY_ID"] == "file-key"


def test_what_ends_too_early_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3610))
    answer = {"Version": 1, "AccessKeyId": "k", "SecretAccessKey": "s", "SessionToken": "t", "Expiration": soon}
    (tmp_path / "answer.json").write_text(json.dumps(answer))
    (tmp_path / "config").write_text(f"[default]\ncredential_process = cat {tmp_path}/answer.json\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UsageError, match=r"end in 1 h and max_hours is 2: nobody renews them; lower max_hours"):
        give(provider="docker", hours=2)
    assert give(provider="docker", hours=0.9).env["AWS_SESSION_TOKEN"] == "t"


def test_secrets_are_not_shown() -> None:
    env = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "own-secret", "AWS_SESSION_TOKEN": "", "X": "y"}
    assert shown(env) == {**env, "AWS_SECRET_ACCESS_KEY": "(hidden)"}
    assert "own-secret" not in repr(Access(env))
