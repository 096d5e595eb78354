"""Passwords, access tokens, API tokens, refresh tokens.

Access tokens are EdDSA JWTs of ten minutes: verified without a database, by one fixed algorithm. API tokens and refresh
tokens are random, and stored only as SHA-256 (they have 256 bits, so no salt or slow hash is needed).
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

import argon2
import jwt

from graph.core.errors import NotAuthenticated
from graph.core.keys import KeyRing
from graph.core.passwords import PASSWORD_MAX
from graph.core.settings import Settings

AUDIENCE: Final = "karyaksham"
TOKEN_TYPE: Final = "at+jwt"  # noqa: S105  # a media type (RFC 9068)
ALGORITHM: Final = "EdDSA"
API_TOKEN_PREFIX: Final = "kar_"  # noqa: S105  # public
_CACHE_SIZE = 10_000

# RFC 9106's second recommended option, less memory than the first: 64 MiB would let 4 log-ins fill a small machine
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
# hashing holds no GIL; two threads bound memory and keep a log-in storm from taking all cores
_POOL = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")


async def hash_password(password: str) -> str:
    """Return the argon2id hash; runs beside the event loop."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _HASHER.hash, password)


_dummy: str | None = None


def _verify(stored: str | None, password: str) -> bool:
    global _dummy  # noqa: PLW0603  # made once, when first needed
    if _dummy is None:
        _dummy = _HASHER.hash(secrets.token_hex(16))
    try:
        _HASHER.verify(stored or _dummy, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return stored is not None


async def verify_password(stored: str | None, password: str) -> bool:
    """Tell whether the password belongs to the hash; with no hash (unknown user) it takes the same time."""
    return await asyncio.get_running_loop().run_in_executor(_POOL, _verify, stored, password[: PASSWORD_MAX + 1])


def needs_rehash(stored: str) -> bool:
    """Tell whether the hash was made with older parameters."""
    return _HASHER.check_needs_rehash(stored)


def token_digest(token: str) -> bytes:
    """Return what is stored of a random token."""
    return hashlib.sha256(token.encode()).digest()


def new_api_token() -> str:
    """Return a new API token: `kar_` and 43 characters."""
    return API_TOKEN_PREFIX + secrets.token_urlsafe(32)


def new_refresh_token() -> str:
    """Return a new refresh token: 43 characters."""
    return secrets.token_urlsafe(32)


def split_refresh_token(refresh_token: str | None) -> tuple[UUID | None, str]:
    """Return session id and secret of a refresh token; (None, "") for anything else."""
    head, _, secret = (refresh_token or "").partition(".")
    try:
        return UUID(hex=head), secret
    except ValueError:
        return None, ""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What an access token says. `expires_at` in Unix seconds; `role` is the platform role.

    `verified`: whether the e-mail address was verified when it was issued.
    """

    user_id: UUID
    session_id: UUID
    workspace_id: UUID
    role: Literal["USER", "ADMIN"]
    expires_at: int
    verified: bool = True


class AccessTokens:
    """Issues and verifies access tokens."""

    def __init__(self, settings: Settings, keys: KeyRing) -> None:
        self._keys = keys
        self._issuer = settings.public_url
        self._seconds = settings.access_token_seconds
        self._cache: OrderedDict[str, AccessClaims] = OrderedDict()

    def issue(
        self,
        user_id: UUID,
        session_id: UUID,
        workspace_id: UUID,
        role: Literal["USER", "ADMIN"],
        *,
        verified: bool = True,
        latest: datetime | None = None,
    ) -> tuple[str, int]:
        """Return a token and the Unix second at which it expires: at the `latest`, the end of its session.

        `workspace_id` is the personal workspace.
        """
        now = int(time.time())
        expires_at = now + self._seconds
        if latest is not None:
            expires_at = min(expires_at, int(latest.timestamp()))
        payload: dict[str, object] = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "sid": str(session_id),
            "wsp": str(workspace_id),
            "rol": role,
            "iat": now,
            "exp": expires_at,
        }
        if not verified:
            payload["unv"] = True
        headers = {"kid": self._keys.kid, "typ": TOKEN_TYPE}
        return jwt.encode(payload, self._keys.signer, algorithm=ALGORITHM, headers=headers), expires_at

    def verify(self, token: str) -> AccessClaims:
        """Return the claims; `NotAuthenticated` for anything expired, foreign, altered or of another type."""
        cached = self._cache.get(token)
        if cached is not None:
            if cached.expires_at > time.time():
                self._cache.move_to_end(token)
                return cached
            del self._cache[token]
            raise NotAuthenticated("The access token has expired. Refresh the session.")
        claims = self._verify(token)
        self._cache[token] = claims
        if len(self._cache) > _CACHE_SIZE:
            self._cache.popitem(last=False)
        return claims

    def _verify(self, token: str) -> AccessClaims:
        broken = NotAuthenticated("The access token is not valid here. Log in again.")
        try:
            header = jwt.get_unverified_header(token)
            if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
                raise broken
            key = self._keys.public.get(str(header.get("kid")))
            if key is None:
                raise broken
            payload = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": ["exp", "iat", "sub", "sid", "aud", "iss"]},
            )
            role = payload["rol"]
            if role not in {"USER", "ADMIN"}:
                raise broken
            return AccessClaims(
                user_id=UUID(payload["sub"]),
                session_id=UUID(payload["sid"]),
                workspace_id=UUID(payload["wsp"]),
                role=role,
                expires_at=int(payload["exp"]),
                verified=payload.get("unv") is not True,
            )
        except jwt.ExpiredSignatureError as error:
            raise NotAuthenticated("The access token has expired. Refresh the session.") from error
        except (jwt.PyJWTError, ValueError, KeyError, TypeError) as error:
            raise broken from error
