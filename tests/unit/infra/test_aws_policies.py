"""The files in infra/aws are what the code needs, no more."""

import json
from pathlib import Path
from typing import Any

from infra.store.credentials.policy import policy
from job.run.store_access import grant

AWS = Path(__file__).parents[3] / "infra" / "aws"


def read(name: str) -> Any:
    return json.loads((AWS / name).read_text())


def test_the_role_of_pods_may_do_what_the_session_of_any_run_may() -> None:
    text = json.dumps(policy("BUCKET", "PREFIX/", grant("RUN", 7, "DATASET")))
    for name in ("RUN", "DATASET"):
        text = text.replace(name, "*")
    assert read("pod-policy.json") == json.loads(text.replace("attempts/7/", "attempts/*/"))


def test_a_session_fits_into_what_sts_takes() -> None:
    text = json.dumps(policy("b" * 63, "p" * 100 + "/", grant("n" * 62, 100, "d" * 64)), separators=(",", ":"))
    assert len(text) <= 2048


def test_only_the_client_may_delete() -> None:
    client = [action for statement in read("client-policy.json")["Statement"] for action in statement["Action"]]
    assert "s3:DeleteObject" in client
    pod = {action for statement in read("pod-policy.json")["Statement"] for action in statement["Action"]}
    assert pod < set(client)


def test_the_trust_names_one_user() -> None:
    (statement,) = read("pod-trust.json")["Statement"]
    assert statement["Principal"] == {"AWS": "arn:aws:iam::ACCOUNT:user/codecjob"}
