"""A grant as a policy in AWS's language, which MinIO and Ceph speak, too.

Source: AWS, "Policies and permissions in Amazon S3" and the IAM user guide on session policies.
"""

from __future__ import annotations

import json
import re
from typing import Any

from infra.store.credentials.session import Grant, SessionRefused

LONGEST = 2048
"""Characters that AssumeRole takes as a session policy."""


def session_policy(bucket: str, prefix: str, grant: Grant, partition: str = "aws") -> str:
    """The policy without a blank, which older Ceph cannot read. `prefix` is the store's: "" or ends with "/".

    Raises `SessionRefused` if it is longer than STS takes.
    """
    text = as_text(policy(bucket, prefix, grant, partition))
    if len(text) > LONGEST:
        raise SessionRefused(
            f"the policy of a session for s3://{bucket}/{prefix} is {len(text)} characters long, over the limit of "
            f"{LONGEST}; choose a shorter prefix for the store"
        )
    return text


def policy(bucket: str, prefix: str, grant: Grant, partition: str = "aws") -> dict[str, Any]:
    """The policy as a document."""
    root = f"arn:{partition}:s3:::{bucket}"

    def objects(prefixes: tuple[str, ...]) -> list[str]:
        return [f"{root}/{_literally(prefix + each)}*" for each in prefixes]

    listed = [f"{_literally(prefix + each)}*" for each in grant.list]
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": ["s3:GetObject"], "Resource": objects(grant.read)},
            {
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"],
                "Resource": objects(grant.write),
            },
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket"],
                "Resource": [root],
                "Condition": {"StringLike": {"s3:prefix": listed}},
            },
        ],
    }


def as_text(document: dict[str, Any]) -> str:
    """JSON in ASCII without a blank, also where a name holds one."""
    return json.dumps(document, separators=(",", ":")).replace(" ", "\\u0020")


def _literally(text: str) -> str:
    """Signs that policies read as wildcards or variables, escaped as policies have it."""
    return re.sub(r"[*?$]", lambda sign: f"${{{sign[0]}}}", text)
