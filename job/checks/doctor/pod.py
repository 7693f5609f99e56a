"""What a pod of this spec will be able to do in the store, and what not."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from infra.store import AccessDenied, Store, StoreError
from job.checks.doctor.check import Patient, Probe, attempt, probing
from job.checks.doctor.store import BIG_BYTES
from job.checks.finding import Finding, Level, note, warning
from job.run.store_access import Access, store_access

CHECK = "pod"
OTHER = "other-"
"""In front of a run that is not the pod's. It begins otherwise, too, so that a prefix cannot pass for it."""


def about_pod(patient: Patient) -> Iterator[Finding]:
    """Gets credentials as a launch does, uses them as the agent does, and then as it must not be able to."""
    spec, store = patient.spec, patient.store
    if spec is None:
        yield note(CHECK, "name a SPEC to try what its pod may do in the store: codecjob doctor SPEC")
        return
    with probing(store) as probe:
        access = store_access(
            store.url,
            probe.run_id,
            probe.run_id,
            spec.max_hours * 3600,
            provider=spec.provider,
            access=spec.access,
        )
        if not access.env:
            yield note(CHECK, f"a pod of {spec.provider} uses the store as you do")
            return
        yield note(CHECK, f"a pod of {spec.provider} gets: {access.kind}")
        yield from (warning(CHECK, said) for said in access.warnings)
        if access.kind == "secret":
            return
        yield from _try(probe, access)


def _try(probe: Probe, access: Access) -> Iterator[Finding]:
    client, own = probe.store, f"{probe.prefix}attempts/1/"
    manifest, shared = probe.note(f"datasets/{probe.run_id}/manifest.json"), probe.note(f"objects/{probe.run_id}")
    foreign = probe.note(f"runs/{OTHER}{probe.run_id}/spec.json")
    for key in (probe.key("spec.json"), probe.key("orders/1/claim.json"), manifest, shared, foreign):
        client.put(key, b"doctor")
    pod = _open(access)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.write_bytes(bytes(BIG_BYTES))
        needed: dict[str, Callable[[], Any]] = {
            "read its run": lambda: pod.get(f"{probe.prefix}spec.json"),
            "read its data's manifest": lambda: pod.get(manifest),
            "download shared objects": lambda: pod.download(shared, Path(folder) / "copy"),
            "list its run": lambda: list(pod.list(probe.prefix)),
            "write its attempt": lambda: pod.put(probe.note(f"{own}alive.json"), b"doctor"),
            "create in its attempt": lambda: pod.create(probe.note(f"{own}outcome.json"), b"doctor"),
            "upload 17 MB in parts": lambda: pod.upload(source, probe.note(f"{own}big")),
        }
        for what, call in needed.items():
            yield attempt(CHECK, f"the pod can {what}", call)
    forbidden: dict[str, Callable[[], Any]] = {
        "delete in its run": lambda: pod.delete(f"{own}alive.json"),
        "overwrite its deadline": lambda: pod.put(probe.key("orders/1/intent.json"), b"doctor"),
        "overwrite its price": lambda: pod.put(probe.key("orders/1/claim.json"), b"doctor"),
        "write another attempt": lambda: pod.put(probe.key("attempts/2/alive.json"), b"doctor"),
        "overwrite shared objects": lambda: pod.put(shared, b"doctor"),
        "read another run": lambda: pod.get(foreign),
        "list another run": lambda: list(pod.list(f"runs/{OTHER}{probe.run_id}/")),
        "list the whole store": lambda: list(pod.list("")),
    }
    # Only a session is promised to be narrow; of any other key it is good to know.
    level = Level.ERROR if access.kind == "session" else Level.WARNING
    yield from (_refused(what, call, level) for what, call in forbidden.items())


def _open(access: Access) -> Store:
    from infra.store.credentials.session import Session
    from infra.store.s3 import S3Store

    env = access.env
    keys = Session(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"])
    return S3Store(env["CODECJOB_STORE"], keys)


def _refused(what: str, call: Callable[[], Any], level: Level) -> Finding:
    try:
        call()
    except AccessDenied:
        return note(CHECK, f"the pod cannot {what}: the store refuses it")
    except StoreError as trouble:
        return warning(CHECK, f"whether the pod can {what} is not known: {trouble}")
    return Finding(level, CHECK, f"the pod can {what}, which it does not need; give it a narrower key")
