"""Access tokens: only what this service signed for itself, for now, by the one algorithm."""

from __future__ import annotations

import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from graph.core.errors import NotAuthenticated
from graph.core.ids import uuid7
from graph.core.keys import KeyRing, generate_signing_key
from graph.core.security import (
    AccessTokens,
    hash_password,
    new_api_token,
    verify_password,
)
from graph.core.settings import Settings


def make(**changes: object) -> tuple[AccessTokens, KeyRing, Settings]:
    """Tokens of a service with its own key."""
    settings = Settings(**{"signing_key": generate_signing_key(), "public_url": "http://kar.test", **changes})  # type: ignore[arg-type]
    keys = KeyRing.from_settings(settings)
    return AccessTokens(settings, keys), keys, settings


def payload(**changes: object) -> dict[str, object]:
    """Claims that are right but for the changes."""
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": "http://kar.test",
        "aud": "karyaksham",
        "sub": str(uuid7()),
        "sid": str(uuid7()),
        "wsp": str(uuid7()),
        "rol": "USER",
        "iat": now,
        "exp": now + 60,
    }
    claims.update(changes)
    return {name: value for name, value in claims.items() if value is not None}


def sign(keys: KeyRing, claims: dict[str, object], **headers: object) -> str:
    """Token by the service's own key."""
    return jwt.encode(claims, keys.signer, "EdDSA", headers={"kid": keys.kid, "typ": "at+jwt", **headers})


def test_issued_token_is_verified() -> None:
    tokens, _, _ = make()
    user, session, workspace = uuid7(), uuid7(), uuid7()
    token, expires = tokens.issue(user, session, workspace, "ADMIN")
    for _ in range(2):  # the second from the cache
        claims = tokens.verify(token)
        assert (claims.user_id, claims.session_id, claims.workspace_id) == (user, session, workspace)
        assert claims.role == "ADMIN"
        assert claims.expires_at == expires


def test_hand_made_control_is_accepted() -> None:
    tokens, keys, _ = make()
    tokens.verify(sign(keys, payload()))


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": int(time.time()) - 1},
        {"aud": "another"},
        {"aud": None},
        {"iss": "http://evil.test"},
        {"iss": None},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"sid": None},
        {"sub": "not-a-uuid"},
        {"wsp": None},
        {"rol": "ROOT"},
        {"rol": None},
        {"iat": int(time.time()) + 3600},
    ],
)
def test_wrong_claims_are_refused(changes: dict[str, object]) -> None:
    tokens, keys, _ = make()
    with pytest.raises(NotAuthenticated):
        tokens.verify(sign(keys, payload(**changes)))


@pytest.mark.parametrize("headers", [{"typ": "JWT"}, {"typ": None}, {"kid": "unknown"}])
def test_wrong_headers_are_refused(headers: dict[str, object]) -> None:
    tokens, keys, _ = make()
    with pytest.raises(NotAuthenticated):
        tokens.verify(sign(keys, payload(), **headers))


def test_foreign_key_is_refused() -> None:
    tokens, keys, _ = make()
    forged = jwt.encode(payload(), Ed25519PrivateKey.generate(), "EdDSA", headers={"kid": keys.kid, "typ": "at+jwt"})
    with pytest.raises(NotAuthenticated):
        tokens.verify(forged)


def test_algorithm_none_is_refused() -> None:
    tokens, keys, _ = make()
    forged = jwt.encode(payload(), None, "none", headers={"kid": keys.kid, "typ": "at+jwt"})
    with pytest.raises(NotAuthenticated):
        tokens.verify(forged)


def test_public_key_as_hmac_secret_is_refused() -> None:
    tokens, keys, _ = make()
    secret = keys.raw[keys.kid]
    forged = jwt.encode(payload(), secret, "HS256", headers={"kid": keys.kid, "typ": "at+jwt"})
    with pytest.raises(NotAuthenticated):
        tokens.verify(forged)


def test_altered_payload_is_refused_also_after_the_original_was_cached() -> None:
    tokens, keys, _ = make()
    token = sign(keys, payload())
    tokens.verify(token)
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["rol"] = "ADMIN"
    altered = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    with pytest.raises(NotAuthenticated):
        tokens.verify(f"{head}.{altered}.{signature}")


@pytest.mark.parametrize("garbage", ["", ".", "..", "a.b.c", "kar_x", "é.é.é", "x" * 100_000])
def test_garbage_is_refused(garbage: str) -> None:
    tokens, _, _ = make()
    with pytest.raises(NotAuthenticated):
        tokens.verify(garbage)


def test_cached_token_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    tokens, keys, _ = make()
    token = sign(keys, payload())
    tokens.verify(token)
    later = time.time() + 61
    monkeypatch.setattr("graph.core.security.time.time", lambda: later)
    with pytest.raises(NotAuthenticated, match="expired"):
        tokens.verify(token)


def test_previous_key_still_verifies_and_is_published() -> None:
    old_tokens, old_keys, _ = make()
    token, _ = old_tokens.issue(uuid7(), uuid7(), uuid7(), "USER")
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    pem = old_keys.signer.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    tokens, keys, _ = make(previous_signing_keys=pem)
    tokens.verify(token)
    published = {key["kid"] for key in keys.jwks()["keys"]}
    assert published == {keys.kid, old_keys.kid}
    rotated_out, _, _ = make()
    with pytest.raises(NotAuthenticated):
        rotated_out.verify(token)


async def test_password_hash() -> None:
    stored = await hash_password("correct horse battery")
    assert stored.startswith("$argon2id$")
    assert await verify_password(stored, "correct horse battery")
    assert not await verify_password(stored, "correct horse batterz")
    assert not await verify_password(None, "correct horse battery")


async def test_unknown_user_takes_as_long_as_a_wrong_password() -> None:
    stored = await hash_password("correct horse battery")
    await verify_password(None, "x" * 20)  # makes the stand-in hash

    best = {"known": 9.0, "unknown": 9.0}
    for _ in range(15):  # in turns, so that a busy machine slows both; the fastest of each counts
        for who, hashed in (("known", stored), ("unknown", None)):
            started = time.perf_counter()
            await verify_password(hashed, "wrong horse battery")
            best[who] = min(best[who], time.perf_counter() - started)
    # without the stand-in hash an unknown user would take microseconds
    assert 0.1 < best["unknown"] / best["known"] < 10


def test_api_tokens_have_their_form() -> None:
    token = new_api_token()
    assert token.startswith("kar_")
    assert len(token) == 47
    assert token != new_api_token()
