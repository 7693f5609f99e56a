"""A pod's narrowed credentials on real servers: what they can do, and what they cannot."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from infra.store import AccessDenied, NotFound, Store, StoreError, check_writable, open_store
from infra.store.credentials.policy import as_text
from infra.store.credentials.session import Session, SessionRefused
from infra.store.s3 import S3Store
from infra.store.s3_upload import PART_BYTES
from job.run.store_access import KEY_VARIABLE, SECRET_VARIABLE, store_access
from job.spec.model import AccessSpec
from servers.radosgw import ROLE, ROLE_WITHOUT_DATA
from servers.server import S3Server, use

AWS = Path(__file__).parents[3] / "infra" / "aws"
MISSING_ROLE = "arn:aws:iam:::role/nobody-made-this"


@pytest.fixture
def client(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The client's store with two runs, two data sets and their objects."""
    use(radosgw, monkeypatch)
    store = open_store(radosgw.new_url())
    for key in (
        "runs/mine/spec.json",
        "runs/mine/attempts/1/outcome.json",
        "runs/mine/attempts/2/claim.json",
        "runs/minefield/spec.json",
        "datasets/data/manifest.json",
        "datasets/other/manifest.json",
        "objects/0123",
    ):
        store.put(key, key.encode())
    return store


def session(store: Store, seconds: float = 900, **access: Any) -> Any:
    spec = AccessSpec.model_validate({"role": ROLE, **access})
    return store_access(store.url, "mine", "data", seconds, attempt=2, provider="runpod", access=spec)


def opened(access: Any, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """The store as the pod opens it."""
    for name, value in access.env.items():
        monkeypatch.setenv(name, value)
    store = open_store(access.env["CODECJOB_STORE"])
    assert isinstance(store, S3Store)
    return store


@pytest.fixture
def pod(client: Store, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    return opened(session(client), monkeypatch)


def test_it_reads_its_run_and_its_data(pod: S3Store, tmp_path: Path) -> None:
    for key in ("runs/mine/spec.json", "runs/mine/attempts/1/outcome.json", "datasets/data/manifest.json"):
        assert pod.get(key) == key.encode()
    pod.download("objects/0123", tmp_path / "object")
    assert pod.folders("runs/mine/attempts/") == ["1", "2"]
    assert [info.key for info in pod.list("runs/mine/attempts/2/")] == ["runs/mine/attempts/2/claim.json"]


def test_it_writes_its_attempt(pod: S3Store, tmp_path: Path) -> None:
    own = "runs/mine/attempts/2"
    pod.put(f"{own}/alive.json", b"beat")
    assert pod.create(f"{own}/outcome.json", b"first")
    assert not pod.create(f"{own}/outcome.json", b"second")
    (tmp_path / "large").write_bytes(bytes(PART_BYTES + 1))
    pod.upload(tmp_path / "large", f"{own}/checkpoints/1/model")
    with pytest.raises(NotFound):
        pod.get(f"{own}/stop.json")


@pytest.mark.parametrize(
    ("action", "call"),
    [
        ("s3:PutObject", lambda pod: pod.put("runs/mine/orders/2/intent.json", b"")),
        ("s3:PutObject", lambda pod: pod.put("runs/mine/orders/2/claim.json", b"")),
        ("s3:PutObject", lambda pod: pod.put("runs/mine/orders/2/stop.json", b"")),
        ("s3:DeleteObject", lambda pod: pod.delete("runs/mine/attempts/2/claim.json")),
        ("s3:PutObject", lambda pod: pod.put("runs/mine/attempts/1/outcome.json", b"")),
        ("s3:PutObject", lambda pod: pod.put("runs/mine/spec.json", b"")),
        ("s3:PutObject", lambda pod: pod.put("objects/0123", b"")),
        ("s3:GetObject", lambda pod: pod.get("runs/minefield/spec.json")),
        ("s3:GetObject", lambda pod: pod.get("datasets/other/manifest.json")),
        ("s3:ListBucket", lambda pod: list(pod.list("runs/minefield/"))),
        ("s3:ListBucket", lambda pod: list(pod.list("objects/"))),
        ("s3:ListBucket", lambda pod: list(pod.list(""))),
    ],
)
def test_everything_else_is_refused_by_the_server(pod: S3Store, action: str, call: Callable[[S3Store], Any]) -> None:
    with pytest.raises(AccessDenied, match=rf"grant them {action} there"):
        call(pod)


def test_no_secret_of_the_client_reaches_the_pod(client: Store, radosgw: S3Server) -> None:
    access = session(client)
    assert radosgw.secret not in str(dict(access.env))
    assert radosgw.key not in access.env.values()
    assert access.warnings == ()


def test_a_server_that_says_403_for_what_is_missing(pod: S3Store) -> None:
    """As AWS does to whoever may not list the whole bucket."""

    def forbid(parsed_response: dict[str, Any], **_: Any) -> None:
        if parsed_response["ResponseMetadata"]["HTTPStatusCode"] == 404:
            parsed_response["ResponseMetadata"]["HTTPStatusCode"] = 403
            parsed_response["Error"] = {"Code": "AccessDenied"}

    for call in ("GetObject", "HeadObject"):
        pod._client.meta.events.register(f"response-received.s3.{call}", forbid)
    with pytest.raises(NotFound):
        pod.get("runs/mine/attempts/2/stop.json")
    assert pod.create("runs/mine/attempts/2/outcome.json", b"first")
    with pytest.raises(AccessDenied):
        pod.get("objects/missing")


@pytest.mark.parametrize(
    ("seconds", "role", "words"),
    [
        (7200, ROLE, r"gives no session of 2\.03 h: lower max_hours"),
        (900, MISSING_ROLE, "there is no role .*; mend access.role"),
    ],
)
def test_what_the_role_does_not_give_is_said_in_one_line(client: Store, seconds: float, role: str, words: str) -> None:
    with pytest.raises(SessionRefused, match=words) as caught:
        session(client, seconds, role=role)
    assert "\n" not in str(caught.value)


def test_a_user_whom_the_role_does_not_trust(stranger: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(stranger, monkeypatch)
    with pytest.raises(SessionRefused, match="its trust policy has to name their user"):
        session(open_store(stranger.new_url()))


def test_a_server_without_sts_falls_back_to_a_restricted_key(swift: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    use(swift, monkeypatch)
    store = open_store(swift.new_url())
    with pytest.raises(StoreError, match="gives no sessions by AssumeRole") as caught:
        session(store)
    assert swift.secret not in str(caught.value)
    monkeypatch.setenv(KEY_VARIABLE, swift.key)
    monkeypatch.setenv(SECRET_VARIABLE, swift.secret)
    access = store_access(store.url, "mine", "data", 900, provider="runpod")
    assert access.kind == "restricted key"
    check_writable(opened(access, monkeypatch))


def under(name: str, server: S3Server, monkeypatch: pytest.MonkeyPatch) -> S3Store:
    """A new store, used with no more rights than a policy of infra/aws gives."""
    use(server, monkeypatch)
    store = open_store(server.new_url())
    assert isinstance(store, S3Store)
    store.put("runs/other/spec.json", b"")
    text = (AWS / name).read_text().replace("BUCKET", server.bucket)
    document = json.loads(text.replace("PREFIX", store.location.prefix.removesuffix("/")))
    document["Statement"] = [part for part in document["Statement"] if part["Action"] != ["sts:AssumeRole"]]
    sts = boto3.client("sts", endpoint_url=server.endpoint, region_name="us-east-1")
    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="test", Policy=as_text(document))["Credentials"]
    return S3Store(store.url, Session(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]))


def test_the_policy_for_the_client_is_enough_for_a_client(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = under("client-policy.json", radosgw, monkeypatch)
    check_writable(store)
    assert store.create("runs/a/spec.json", b"")
    assert store.folders("runs/") == ["a", "other"]
    store.location = dataclasses.replace(store.location, prefix="tests/elsewhere/")
    with pytest.raises(AccessDenied):
        store.put("key", b"")


def test_the_policy_for_pods_is_enough_for_any_pod(radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    store = under("pod-policy.json", radosgw, monkeypatch)
    assert store.create("runs/a/attempts/1/outcome.json", b"")
    assert [info.key for info in store.list("runs/other/")] == ["runs/other/spec.json"]
    assert store.get("runs/other/spec.json") == b""
    for call in (
        lambda: store.put("runs/other/spec.json", b""),
        lambda: store.delete("runs/a/attempts/1/outcome.json"),
        lambda: store.folders("runs/"),
    ):
        with pytest.raises(AccessDenied):
            call()


@pytest.fixture
def cloud_desk(desk: Any, radosgw: S3Server, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk that keeps its record in a bucket."""
    use(radosgw, monkeypatch)
    desk.store = open_store(radosgw.new_url())
    desk.env = {name: value for name, value in desk.env.items() if not name.startswith("AWS_")} | radosgw.env()
    desk.env["CODECJOB_STORE"] = desk.store.url
    return desk


def test_a_whole_run_on_a_session(cloud_desk: Any, radosgw: S3Server) -> None:
    spec = cloud_desk.spec(access={"role": ROLE}, max_hours=0.5, train={"num_epochs": 1})
    dry = cloud_desk.command("submit", spec, "--dry-run")
    assert "AWS_SECRET_ACCESS_KEY=(hidden)" in dry.stdout, dry.stdout + dry.stderr
    run = cloud_desk.submit(spec)
    assert cloud_desk.wait_for_end(run.attempt(1)) == "succeeded"
    assert run.newest_checkpoint() is not None
    written = [info.key for info in cloud_desk.store.list(f"runs/{run.run_id}/")]
    assert any("/samples/" in key for key in written)
    for key in written:
        assert radosgw.secret.encode() not in cloud_desk.store.get(key), key


def test_a_right_that_a_pod_lacks_is_named_in_the_outcome(cloud_desk: Any) -> None:
    run = cloud_desk.submit(cloud_desk.spec(access={"role": ROLE_WITHOUT_DATA}, max_hours=0.5))
    assert cloud_desk.wait_for_end(run.attempt(1)) == "failed"
    assert "cannot read datasets/" in run.attempt(1).outcome().reason
    assert "grant them s3:GetObject there" in run.attempt(1).outcome().reason


def test_a_run_that_would_outlive_its_session_is_refused_before_it_costs(cloud_desk: Any) -> None:
    refused = cloud_desk.command("submit", cloud_desk.spec(access={"role": ROLE}, max_hours=8))
    assert refused.returncode == 2
    assert "gives no session of 8.03 h: lower max_hours" in refused.stderr
    assert list(cloud_desk.store.list("runs/")) == []
