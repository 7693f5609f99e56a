"""What a pod on another machine needs to reach its run's record: the narrowest credentials that the vendor can give.

The client's own key stays with the client unless the spec says otherwise. docs/storage.md describes the ways.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra.pods import kind_of
from infra.store.credentials.session import Grant, Session
from job.errors import UsageError
from job.paths import STORE_VARIABLE
from job.run.pod_env import SEAL_KEY_VARIABLE
from job.run.wandb_access import KEY_VARIABLE as WANDB_KEY_VARIABLE
from job.spec.model import AccessSpec, JobSpec

if TYPE_CHECKING:
    from infra.store.s3_url import S3Location

KEY_VARIABLE = "CODECJOB_POD_ACCESS_KEY_ID"
SECRET_VARIABLE = "CODECJOB_POD_SECRET_ACCESS_KEY"
TOKEN_VARIABLE = "CODECJOB_POD_SESSION_TOKEN"
# What stays of a pod after its deadline: the agent's last words, and the supervisor's patience.
LATE_SECONDS = 120.0
HIDDEN = frozenset({"AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", SEAL_KEY_VARIABLE, WANDB_KEY_VARIABLE})


@dataclass(frozen=True)
class Access:
    """What is added to a pod's environment, and what the user should know of it."""

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: float | None = None
    """Unix seconds; None where nobody knows or there is no end."""
    warnings: tuple[str, ...] = ()
    kind: str = "inherited"
    """For people and for JSON: inherited, folder, session, secret, restricted key, R2 session, own key."""


def store_access(
    store_url: str,
    run_id: str,
    dataset_id: str,
    seconds: float,
    *,
    attempt: int = 1,
    provider: str = "docker",
    access: AccessSpec | None = None,
) -> Access:
    """Credentials for an attempt's pod that will live for so many seconds.

    Raises:
        UsageError: there is nothing that this pod may have, or nothing that lives long enough; how to mend it.
        StoreError: the server gives no session, or no usable answer.
    """
    access = access or AccessSpec.model_validate({})
    kind = kind_of(provider)
    if kind.is_this_user and access.role is None:
        return Access()  # its processes are this user's, and inherit the environment
    if not store_url.startswith("s3://"):
        if not kind.at_home:
            raise UsageError(f"a pod of {provider} cannot reach {store_url}; give the run a bucket: store: s3://...")
        return Access(kind="folder")
    from infra.store.credentials.own import portable
    from infra.store.s3_url import parse_s3_url

    here = parse_s3_url(store_url)
    there = portable(here)
    found = _choose(here, there, grant(run_id, attempt, dataset_id), seconds + LATE_SECONDS, provider, access, run_id)
    life = found.expires - time.time() if found.expires is not None else None
    if life is not None and life < seconds:
        raise UsageError(
            f"the pod's credentials ({found.kind}) end in {life / 3600:.3g} h and max_hours is {seconds / 3600:.3g}: "
            "nobody renews them; lower max_hours (`codecjob resume` starts with new ones), or use a key that lasts"
        )
    return Access({**found.env, STORE_VARIABLE: there.url}, found.expires, found.warnings, found.kind)


def for_attempt(spec: JobSpec, store_url: str, run_id: str, dataset_id: str, attempt: int) -> Access:
    """`store_access` as a spec wants it."""
    return store_access(
        store_url,
        run_id,
        dataset_id,
        spec.max_hours * 3600,
        attempt=attempt,
        provider=spec.provider,
        access=spec.access,
    )


def shown(env: Mapping[str, str]) -> dict[str, str]:
    """An environment that may be printed."""
    return {name: "(hidden)" if name in HIDDEN and value else value for name, value in env.items()}


def grant(run_id: str, attempt: int, dataset_id: str) -> Grant:
    """What the agent needs: its run and its data to read, its attempt to write.

    Objects are shared by all data sets and can be read by whoever knows their hash; they cannot be listed.
    """
    run = f"runs/{run_id}/"
    return Grant(
        read=(run, f"datasets/{dataset_id}/", "objects/"),
        write=(f"{run}attempts/{attempt}/",),
        list=(run,),
    )


def _choose(
    here: "S3Location",
    there: "S3Location",
    allowed: Grant,
    seconds: float,
    provider: str,
    access: AccessSpec,
    run_id: str,
) -> Access:
    from infra.store.credentials import own, r2

    if access.role:
        from infra.store.credentials.sts import assume_role

        session = assume_role(here, access.role, allowed, seconds, f"codecjob-{run_id}")
        return Access(session.env(), session.expires, kind="session")
    if access.runpod_secret:
        return _secret(access.runpod_secret, provider)
    if restricted := _restricted_key():
        return _of_key(restricted, there, provider)
    mine = own.own_credentials(here)
    if r2.is_r2(there.endpoint) and not mine.session.token:
        session = r2.mint(there, mine.session, allowed, seconds, time.time())
        said = f"R2 cannot part reading from writing: the pod may overwrite objects of all data sets in {there.url}"
        return Access(session.env(), session.expires, (said,), "R2 session")
    if not access.share_own_key and not kind_of(provider).at_home:
        raise UsageError(
            f"the only credentials for {here.url} are your own, and a pod of {provider} is not given those: set "
            f"access.role (AWS, Ceph, MinIO), or {KEY_VARIABLE} and {SECRET_VARIABLE} to a key that can do no "
            "more than it must (docs/storage.md, Credentials), or say access.share_own_key: true"
        )
    said = f"the pod gets your own key ({mine.source}): it can do all that you can do there, also delete; {_BETTER}"
    return Access(mine.session.env(), mine.session.expires, (said,), "own key")


_BETTER = "better: access.role, or a restricted key (docs/storage.md, Credentials)"


def _restricted_key() -> Session | None:
    key, secret = os.environ.get(KEY_VARIABLE), os.environ.get(SECRET_VARIABLE)
    if bool(key) != bool(secret):
        raise UsageError(f"{KEY_VARIABLE} and {SECRET_VARIABLE} go together; one of them is missing")
    return Session(key, secret, os.environ.get(TOKEN_VARIABLE, "")) if key and secret else None


def _of_key(key: Session, there: "S3Location", provider: str) -> Access:
    said = [
        f"the pod gets the key of {KEY_VARIABLE}: what that key can reach in bucket {there.bucket}, the pod can, other "
        "runs included where the key is not limited; `codecjob doctor` tries it"
    ]
    kind = kind_of(provider)
    if kind.shows_environment:
        better = "; better: access.runpod_secret" if kind.pod_secret else ""
        said.append(f"{kind.title} shows a pod's environment to {kind.shows_environment}{better}")
    return Access(key.env(), None, tuple(said), "restricted key")


def _secret(name: str, provider: str) -> Access:
    kind = kind_of(provider)
    if kind.pod_secret is None:
        raise UsageError(f"access.runpod_secret names a secret of the provider, and {provider} keeps none: remove it")
    env = {
        "AWS_ACCESS_KEY_ID": kind.pod_secret(f"{name}_key_id"),
        "AWS_SECRET_ACCESS_KEY": kind.pod_secret(f"{name}_secret"),
        "AWS_SESSION_TOKEN": "",
    }
    said = (
        f"the pod gets {kind.title}'s secrets {name}_key_id and {name}_secret: nobody here can tell what they can reach"
    )
    return Access(env, None, (said,), "secret")
