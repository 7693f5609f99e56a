"""Temporary credentials for Cloudflare R2, made here from the account's key without asking a server.

Source: Cloudflare, "R2: Temporary credentials", local signing: the session token is base64 of "jwt/" and a JWT that
the parent's secret signs (HS256), the temporary secret is the SHA-256 of that JWT in hex, the key id is the parent's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any
from urllib.parse import urlsplit

from infra.store.credentials.session import Grant, Session, SessionRefused
from infra.store.s3_url import S3Location

DOMAIN = ".r2.cloudflarestorage.com"
LONGEST_SECONDS = 7 * 24 * 3600
ACTIONS = (
    "GetObject",
    "HeadObject",
    "ListObjectsV2",
    "ListParts",
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
)


def is_r2(endpoint: str | None) -> bool:
    """Whether the endpoint is one of R2's, with or without a jurisdiction."""
    return (urlsplit(endpoint or "").hostname or "").endswith(DOMAIN)


def mint(location: S3Location, parent: Session, grant: Grant, seconds: float, now: float) -> Session:
    """A session on the grant's prefixes. `location.endpoint` has to be R2's; `now` is Unix seconds.

    R2 knows one set of actions for all prefixes: what may be read may be overwritten, too. Nothing may be deleted.

    Raises `SessionRefused` beyond seven days.
    """
    if seconds > LONGEST_SECONDS:
        raise SessionRefused(f"R2 gives no session of {seconds / 3600:.3g} h, 168 at most; lower max_hours")
    host = urlsplit(location.endpoint or "").netloc
    prefixes = dict.fromkeys(location.prefix + each for each in (*grant.read, *grant.write, *grant.list))
    expires = int(now + seconds)
    claims = {
        "bucket": location.bucket,
        "scope": "object-read-write",
        "actions": list(ACTIONS),
        "paths": {"prefixPaths": list(prefixes), "objectPaths": []},
        "sub": host.partition(".")[0],
        "iss": parent.key_id,
        "aud": host,
        "iat": int(now),
        "exp": expires,
    }
    jwt = sign(claims, parent.secret)
    token = base64.b64encode(f"jwt/{jwt}".encode()).decode()
    return Session(parent.key_id, hashlib.sha256(jwt.encode()).hexdigest(), token, float(expires))


def sign(claims: dict[str, Any], secret: str) -> str:
    """A JSON Web Token (RFC 7519) with HMAC-SHA256."""
    signed = ".".join(_encoded(json.dumps(part, separators=(",", ":")).encode()) for part in (HEADER, claims))
    signature = hmac.new(secret.encode(), signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{_encoded(signature)}"


HEADER = {"alg": "HS256", "typ": "JWT"}


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
