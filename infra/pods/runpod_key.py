"""The key of a RunPod account, and the address that it is sent to."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from infra.pods.base import ProviderError, Unauthorised

KEY_VARIABLE = "RUNPOD_API_KEY"
URL_VARIABLE = "CODECJOB_RUNPOD_URL"
URL = "https://api.runpod.io/v2"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def api_key(env: Mapping[str, str] = os.environ, home: Path | None = None) -> str:
    """The key of $RUNPOD_API_KEY (in a pod: the pod's own), else of RunPod's own file, ~/.runpod/config.toml.

    Raises `Unauthorised` where there is none.
    """
    return _find(env, home)[0]


def key_place(env: Mapping[str, str] = os.environ, home: Path | None = None) -> str:
    """Where `api_key` takes the key from: "$RUNPOD_API_KEY" or the file's path. Raises as it does."""
    return _find(env, home)[1]


def base_url(env: Mapping[str, str] = os.environ) -> str:
    """Where the API is; another place than RunPod's is for tests. Raises `ProviderError` where a key must not go."""
    url = (env.get(URL_VARIABLE) or URL).rstrip("/")
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return url
    raise ProviderError(f"{URL_VARIABLE}={url}: the key is sent over https only, or over http to this machine")


def _find(env: Mapping[str, str], home: Path | None) -> tuple[str, str]:
    """The key and its place."""
    if key := env.get(KEY_VARIABLE, "").strip():
        return _checked(key, f"${KEY_VARIABLE}"), f"${KEY_VARIABLE}"
    path = (home or Path.home()) / ".runpod" / "config.toml"
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        settings = {}
    except (OSError, ValueError) as error:
        raise Unauthorised(f"cannot read RunPod's key in {path}: mend the file, or set {KEY_VARIABLE}") from error
    if key := _key_in(settings):
        return _checked(key, str(path)), str(path)
    raise Unauthorised(
        f"no RunPod key: set {KEY_VARIABLE} to one from https://console.runpod.io/user/settings (neither it nor {path} "
        "has one)"
    )


def _checked(key: str, place: str) -> str:
    if key.isascii() and key.isprintable() and " " not in key:
        return key
    raise Unauthorised(f"the RunPod key in {place} has signs that no key has: copy it again")


def _key_in(settings: Mapping[str, Any]) -> str:
    """runpodctl writes `apikey` at the top, RunPod's Python package `api_key` in [default]."""
    default = settings.get("default")
    for table in (settings, default if isinstance(default, dict) else {}):
        for name, value in table.items():
            if name.lower().replace("_", "") == "apikey" and isinstance(value, str) and value.strip():
                return value.strip()
    return ""
