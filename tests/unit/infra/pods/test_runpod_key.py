from pathlib import Path

import pytest

from infra.pods import ProviderError, Unauthorised
from infra.pods.runpod_key import URL, api_key, base_url, key_place


def write_config(home: Path, text: str) -> None:
    (home / ".runpod").mkdir()
    (home / ".runpod" / "config.toml").write_text(text)


def test_the_environment_comes_before_the_file(tmp_path: Path) -> None:
    write_config(tmp_path, 'apikey = "rpa_file"')
    assert api_key({"RUNPOD_API_KEY": " rpa_env\n"}, tmp_path) == "rpa_env"
    assert api_key({"RUNPOD_API_KEY": ""}, tmp_path) == "rpa_file"
    assert key_place({"RUNPOD_API_KEY": "rpa_env"}, tmp_path) == "$RUNPOD_API_KEY"
    assert key_place({}, tmp_path) == str(tmp_path / ".runpod" / "config.toml")


@pytest.mark.parametrize(
    "text",
    [
        'apikey = "rpa_file"\napiurl = "https://api.runpod.io/graphql"',  # runpodctl
        '[default]\napi_key = "rpa_file"',  # RunPod's Python package
        'apiKey = "rpa_file"',
    ],
)
def test_the_file_is_read_as_runpods_own_tools_write_it(tmp_path: Path, text: str) -> None:
    write_config(tmp_path, text)
    assert api_key({}, tmp_path) == "rpa_file"


def test_no_key_says_where_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Unauthorised, match=r"no RunPod key: set RUNPOD_API_KEY to one from https://"):
        api_key({}, tmp_path)


@pytest.mark.parametrize("text", ["apikey = ", 'apikey = ""', "apikey = 7", "other = 1"])
def test_a_file_without_a_key_is_no_key(tmp_path: Path, text: str) -> None:
    write_config(tmp_path, text)
    with pytest.raises(Unauthorised, match="RUNPOD_API_KEY"):
        api_key({}, tmp_path)


def test_a_key_with_a_break_in_it_is_refused_without_being_shown(tmp_path: Path) -> None:
    with pytest.raises(Unauthorised, match="copy it again") as caught:
        api_key({"RUNPOD_API_KEY": "rpa_se\ncret"}, tmp_path)
    assert "cret" not in str(caught.value)


def test_the_key_goes_to_runpod_or_to_this_machine() -> None:
    assert base_url({}) == URL
    assert base_url({"CODECJOB_RUNPOD_URL": "http://127.0.0.1:8123/v2/"}) == "http://127.0.0.1:8123/v2"
    for url in ("http://api.runpod.io/v2", "http://10.0.0.1/v2", "ftp://127.0.0.1", "127.0.0.1:80"):
        with pytest.raises(ProviderError, match="https only"):
            base_url({"CODECJOB_RUNPOD_URL": url})
