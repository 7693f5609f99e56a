"""The defaults that are in effect on this machine, and where each comes from. Holds no secret and asks nobody."""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra import engine
from infra.pods import ProviderError, runpod_key
from infra.store import StoreError
from infra.store.s3_url import S3Location, parse_s3_url
from job.errors import UsageError
from job.paths import HOME_VARIABLE, STORE_VARIABLE, cache_folder, home, open_default_store
from job.run import last_image, wandb_access
from job.run.store_access import KEY_VARIABLE
from job.spec.model import JobSpec

DEFAULT = "default"


@dataclass(frozen=True)
class Setting:
    """A value, None where there is none, and what set it, or why there is none. Of a key only that it is set."""

    name: str
    value: str | None
    source: str


def in_effect() -> list[Setting]:
    """Every setting, in the order of their use."""
    return [
        Setting(found.name, found.value and _without_user(found.value), _without_user(found.source))
        for found in _found()
    ]


def _found() -> Iterator[Setting]:
    yield Setting("home", str(home()), _source(HOME_VARIABLE))
    yield _tried("store", _store)
    yield Setting("cache", str(cache_folder()), _source("XDG_CACHE_HOME"))
    for key in ("provider", "max_hours"):
        yield Setting(key, str(JobSpec.model_fields[key].default), "default of a spec")
    yield _tried("image", _image)
    yield Setting("docker_host", engine.host(), _source(engine.HOST_VARIABLE))
    yield _tried("runpod_key", lambda: ("set", runpod_key.key_place()))
    yield _tried("runpod_url", lambda: (runpod_key.base_url(), _source(runpod_key.URL_VARIABLE)))
    yield from _aws()
    place = wandb_access.key_place()
    yield Setting("wandb_key", "set" if place else None, place or f"${wandb_access.KEY_VARIABLE} or `wandb login`")
    project = os.environ.get(wandb_access.PROJECT_VARIABLE) or wandb_access.PROJECT
    yield Setting("wandb_project", project, _source(wandb_access.PROJECT_VARIABLE))
    given = bool(os.environ.get(KEY_VARIABLE))
    source = f"${KEY_VARIABLE}" if given else "a spec's `access` may name another way"
    yield Setting("pod_credentials", "set" if given else None, source)


def _source(variable: str) -> str:
    return f"${variable}" if os.environ.get(variable) else DEFAULT


def _tried(name: str, find: Callable[[], tuple[str | None, str]]) -> Setting:
    """What cannot be used is said in the setting's place: the others are still worth seeing."""
    try:
        value, source = find()
    except (StoreError, ProviderError, UsageError) as error:
        value, source = None, str(error)
    return Setting(name, value, source)


def _store() -> tuple[str, str]:
    variable = next((name for name in (STORE_VARIABLE, HOME_VARIABLE) if os.environ.get(name)), None)
    source = f"${variable}" if variable else DEFAULT
    wanted = os.environ.get(STORE_VARIABLE, "")
    # A bucket's client would look for credentials, which may ask the machine's metadata service.
    return (parse_s3_url(wanted).url if _is_s3(wanted) else open_default_store().url), source


def _is_s3(url: str) -> bool:
    return url.lower().startswith("s3:")


def _image() -> tuple[str | None, str]:
    known = last_image.read()
    if known is None:
        return None, "none was built here: codecjob image build"
    if known.pushed:
        return known.pushed, f"{last_image.path()}, pushed"
    return known.tag, f"{last_image.path()}, built only: for provider docker"


def _aws() -> Iterator[Setting]:
    from infra.store.s3_settings import aws_settings

    wanted = os.environ.get(STORE_VARIABLE, "")
    try:
        # Without a bucket: what a spec's own s3:// store would meet.
        location = parse_s3_url(wanted) if _is_s3(wanted) else S3Location("bucket", "")
        for name, setting in aws_settings(location).items():
            yield Setting(f"aws_{name}", setting.value, setting.source)
    except StoreError as error:
        yield Setting("aws", None, str(error))


def _without_user(text: str) -> str:
    """An address without the name and password that one may have put into it."""
    return re.sub(r"//[^/@\s]*@", "//", text)
