"""What AWS's files and environment say, and which of them is said to have said it."""

import os
import socket
from pathlib import Path

import pytest

from infra.store import StoreError
from infra.store.s3_settings import AwsSetting, aws_settings
from infra.store.s3_url import parse_s3_url

PLACE = parse_s3_url("s3://bucket/lab")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for AWS's two files, of which neither is there, and nothing in the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path


def test_nothing_is_set(files: Path) -> None:
    found = aws_settings(PLACE)
    assert found["profile"] == AwsSetting("default", "default")
    assert found["region"].value is found["endpoint"].value is found["credentials"].value is None
    assert str(files / "config") in found["credentials"].source


def test_the_files_of_a_profile(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (files / "config").write_text("[profile lab]\nregion = eu-9\nendpoint_url = https://s3.example.com\n")
    (files / "credentials").write_text("[lab]\naws_access_key_id = AKID\naws_secret_access_key = hush\n")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    config = str(files / "config")
    assert aws_settings(PLACE) == {
        "profile": AwsSetting("lab", "$AWS_PROFILE"),
        "region": AwsSetting("eu-9", config),
        "endpoint": AwsSetting("https://s3.example.com", config),
        "credentials": AwsSetting("set", str(files / "credentials")),
    }


def test_the_environment_goes_before_the_files_and_the_url_before_both(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (files / "config").write_text("[default]\nregion = eu-9\nendpoint_url = https://file.example.com\n[profile lab]\n")
    for name, value in {
        "AWS_DEFAULT_REGION": "us-7",
        "AWS_ENDPOINT_URL": "https://env.example.com/",
        "AWS_ACCESS_KEY_ID": "AKID",
        "AWS_SECRET_ACCESS_KEY": "hush",
    }.items():
        monkeypatch.setenv(name, value)
    found = aws_settings(PLACE)
    assert found["region"] == AwsSetting("us-7", "$AWS_DEFAULT_REGION")
    assert found["endpoint"].source == "$AWS_ENDPOINT_URL"
    assert found["credentials"] == AwsSetting("set", "$AWS_ACCESS_KEY_ID")
    given = aws_settings(parse_s3_url("s3://bucket?endpoint=https://url.example.com&region=ap-1&profile=lab"))
    assert given["profile"] == AwsSetting("lab", "the store's URL")
    assert given["region"] == AwsSetting("ap-1", "the store's URL")
    assert given["endpoint"] == AwsSetting("https://url.example.com", "the store's URL")


@pytest.mark.parametrize(("name", "value"), [("AWS_PROFILE", "nobody"), ("AWS_ENDPOINT_URL", "no url")])
def test_what_cannot_be_used_is_a_store_error(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="mend"):
        aws_settings(PLACE)


def test_the_machines_metadata_service_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.setblocking(False)
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{service.getsockname()[1]}")
        assert aws_settings(PLACE)["credentials"].value is None
        with pytest.raises(BlockingIOError):
            service.accept()
