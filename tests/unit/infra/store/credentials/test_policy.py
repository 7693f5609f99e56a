import json

import pytest

from infra.store.credentials.policy import LONGEST, policy, session_policy
from infra.store.credentials.session import Grant, SessionRefused

GRANT = Grant(read=("runs/r/", "objects/"), write=("runs/r/attempts/1/",), list=("runs/r/",))


def test_a_grant_becomes_three_statements_and_none_of_them_deletes() -> None:
    read, write, listed = policy("bucket", "lab/", GRANT)["Statement"]
    assert read["Action"] == ["s3:GetObject"]
    assert read["Resource"] == ["arn:aws:s3:::bucket/lab/runs/r/*", "arn:aws:s3:::bucket/lab/objects/*"]
    assert write["Resource"] == ["arn:aws:s3:::bucket/lab/runs/r/attempts/1/*"]
    assert listed["Resource"] == ["arn:aws:s3:::bucket"]
    assert listed["Condition"] == {"StringLike": {"s3:prefix": ["lab/runs/r/*"]}}
    assert "Delete" not in json.dumps(policy("bucket", "lab/", GRANT))


def test_it_holds_no_blank_and_means_the_same() -> None:
    text = session_policy("bucket", "తెలుగు a b/", GRANT)
    assert " " not in text
    assert text.isascii()
    assert json.loads(text) == policy("bucket", "తెలుగు a b/", GRANT)


def test_wildcards_in_names_are_no_wildcards() -> None:
    text = session_policy("bucket", "a*b?c$d/", GRANT)
    assert "arn:aws:s3:::bucket/a${*}b${?}c${$}d/objects/*" in text


def test_other_partitions_keep_their_name() -> None:
    assert "arn:aws-cn:s3:::bucket" in session_policy("bucket", "", GRANT, "aws-cn")


def test_a_policy_that_sts_would_refuse_is_refused_here() -> None:
    longest = next(n for n in range(1, LONGEST) if len(json.dumps(policy("b", "x" * n, GRANT))) > LONGEST)
    with pytest.raises(SessionRefused, match="choose a shorter prefix"):
        session_policy("b", "x" * (longest + 100), GRANT)
    session_policy("b", "x" * 200, GRANT)
