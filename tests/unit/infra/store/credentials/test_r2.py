"""Against Cloudflare's description; no real R2 was asked."""

import base64
import hashlib
import hmac
import json

import pytest

from infra.store.credentials.r2 import is_r2, mint, sign
from infra.store.credentials.session import Grant, Session, SessionRefused
from infra.store.s3_url import parse_s3_url

ENDPOINT = "https://0123abcd.eu.r2.cloudflarestorage.com"
PARENT = Session("parent-key", "parent-secret")
GRANT = Grant(read=("runs/r/", "objects/"), write=("runs/r/attempts/1/",), list=("runs/r/",))


def decode(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def test_r2_is_known_by_its_host() -> None:
    assert is_r2(ENDPOINT)
    assert is_r2("https://0123abcd.r2.cloudflarestorage.com")
    assert not is_r2("https://r2.cloudflarestorage.com.example.com")
    assert not is_r2(None)


def test_the_signature_is_that_of_rfc_7519() -> None:
    header, claims, signature = sign({"iss": "joe"}, "secret").split(".")
    assert json.loads(decode(header)) == {"alg": "HS256", "typ": "JWT"}
    assert json.loads(decode(claims)) == {"iss": "joe"}
    assert decode(signature) == hmac.digest(b"secret", f"{header}.{claims}".encode(), "sha256")


def test_a_session_holds_what_cloudflare_wants_and_not_the_secret() -> None:
    location = parse_s3_url(f"s3://bucket/lab?endpoint={ENDPOINT}")
    session = mint(location, PARENT, GRANT, 3600, now=1_000_000.0)
    jwt = base64.b64decode(session.token).decode().removeprefix("jwt/")
    claims = json.loads(decode(jwt.split(".")[1]))
    assert session.key_id == claims["iss"] == "parent-key"
    assert session.secret == hashlib.sha256(jwt.encode()).hexdigest()
    assert session.expires == claims["exp"] == 1_003_600
    assert (claims["sub"], claims["aud"]) == ("0123abcd", "0123abcd.eu.r2.cloudflarestorage.com")
    assert claims["bucket"] == "bucket"
    assert claims["paths"]["prefixPaths"] == ["lab/runs/r/", "lab/objects/", "lab/runs/r/attempts/1/"]
    assert not any("Delete" in action for action in claims["actions"])
    assert "parent-secret" not in base64.b64decode(session.token).decode() + repr(session)


def test_more_than_a_week_is_refused() -> None:
    with pytest.raises(SessionRefused, match="168 at most; lower max_hours"):
        mint(parse_s3_url(f"s3://bucket?endpoint={ENDPOINT}"), PARENT, GRANT, 8 * 24 * 3600, now=0.0)
