"""How a run comes to Weights & Biases: where the key is, how it gets into a pod, what the pod's processes are told.

The key itself goes through environments alone. Where the provider keeps secrets, a pod gets it from one of those, of
which the client knows no more than the name.
"""

import netrc
import os
from pathlib import Path
from urllib.parse import urlsplit

from infra.pods import kind_of
from job.spec.model import JobSpec

KEY_VARIABLE = "WANDB_API_KEY"
URL_VARIABLE = "WANDB_BASE_URL"
PROJECT_VARIABLE = "WANDB_PROJECT"
TOKEN_FILE_VARIABLE = "WANDB_IDENTITY_TOKEN_FILE"
URL = "https://api.wandb.ai"
PROJECT = "codecjob"


def run_env(spec: JobSpec, run_id: str) -> dict[str, str]:
    """What tells wandb in a pod which run it goes on with: every attempt, and every process, with the same one."""
    if not spec.wandb.on:
        return {}
    env = {
        "WANDB_RUN_ID": run_id,
        "WANDB_RESUME": "allow",
        PROJECT_VARIABLE: spec.wandb.project or os.environ.get(PROJECT_VARIABLE) or PROJECT,
    }
    if spec.wandb.entity:
        env["WANDB_ENTITY"] = spec.wandb.entity
    if spec.wandb.tags:
        env["WANDB_TAGS"] = ",".join(spec.wandb.tags)
    return env


def pod_env(spec: JobSpec) -> dict[str, str]:
    """What the client adds to a pod's environment: the key, or the name of its secret, and the server it belongs to."""
    kind = kind_of(spec.provider)
    if not spec.wandb.on or kind.is_this_user:  # whose processes inherit it
        return {}
    env = {name: value for name in (URL_VARIABLE,) if (value := os.environ.get(name))}
    if kind.pod_secret:
        secret = spec.wandb.runpod_secret
        return {**env, KEY_VARIABLE: kind.pod_secret(secret)} if secret else env
    key, _ = _find()
    return {**env, KEY_VARIABLE: key} if key else env


def key_place() -> str | None:
    """What holds this machine's key: "$WANDB_API_KEY" or a file's path."""
    return _find()[1]


def trouble(spec: JobSpec) -> str | None:
    """Why a run's pod would have no key, and how to give it one; None where it has one, or needs none."""
    if spec.wandb.mode != "online":
        return None
    offline = "or set wandb.mode: offline; without a key training goes on, and nothing reaches Weights & Biases"
    kind = kind_of(spec.provider)
    if kind.pod_secret:
        if spec.wandb.runpod_secret:
            return None
        return (
            f"a pod of {spec.provider} is not given your key: keep it in a secret of {kind.title} and name that in "
            f"wandb.runpod_secret, {offline}"
        )
    if key_place() or (kind.is_this_user and os.environ.get(TOKEN_FILE_VARIABLE)):
        return None
    return f"no key: set {KEY_VARIABLE}, or run `wandb login`, {offline}"


def _find() -> tuple[str | None, str | None]:
    """The key and its place, as wandb itself looks for them."""
    if key := os.environ.get(KEY_VARIABLE, "").strip():
        return key, f"${KEY_VARIABLE}"
    named = os.environ.get("NETRC")
    for path in [Path(named)] if named else [Path.home() / ".netrc", Path.home() / "_netrc"]:
        try:
            found = netrc.netrc(path).authenticators(urlsplit(os.environ.get(URL_VARIABLE) or URL).netloc)
        except (OSError, netrc.NetrcParseError):
            continue
        if found and found[2]:
            return found[2], str(path)
    return None, None
