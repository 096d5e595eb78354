"""A sign-in under way: what is known of it when the browser comes back from the provider.

It stands in a cookie of the browser that began it, signed as access tokens are, with a type of its own: any API process
can go on with it, nothing is stored for people who never come back, and the `state` in the provider's answer is good
in no other browser. The cookie is SameSite=Lax, since the provider's redirect comes from another site; it opens nothing
without the code, which the provider takes once.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final
from uuid import UUID

import jwt

from graph.core.keys import KeyRing
from graph.core.security import ALGORITHM

LIFE_SECONDS: Final = 600
_TYPE: Final = "oidc-sign-in+jwt"
_PLACE: Final = re.compile(r"/(?![/\\])[!-\[\]-~]{0,1999}")


@dataclass(frozen=True, slots=True)
class Begun:
    """One sign-in: secrets of it, where it leads, and the account and session that it is to be linked with, if any."""

    state: str
    nonce: str
    verifier: str
    place: str
    links: Sequence[str] | None = None

    @classmethod
    def new(cls, place: str, links: tuple[UUID, UUID] | None = None) -> Begun:
        """Return one with new secrets; `links` are the ids of the account and of its session."""
        texts = (secrets.token_urlsafe(32), secrets.token_urlsafe(32), secrets.token_urlsafe(48))
        return cls(*texts, place, [str(each) for each in links] if links else None)

    @property
    def to_link(self) -> tuple[UUID, UUID] | None:
        """Ids of the account that this is to be linked with, and of its session; None for a log-in."""
        if self.links is None:
            return None
        user_id, session_id = self.links
        return UUID(user_id), UUID(session_id)

    @property
    def challenge(self) -> str:
        """The code challenge of PKCE, method S256 (RFC 7636)."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()

    def answers(self, state: str | None) -> bool:
        """Tell whether a `state` that came back is the one that was sent."""
        return hmac.compare_digest(self.state.encode(), (state or "").encode())


def safe_place(text: str | None) -> str:
    """Return a path of this service to go to; `/` for anything that could lead elsewhere."""
    return text if text and _PLACE.fullmatch(text) and not text.startswith("/auth/") else "/"


def seal(begun: Begun, keys: KeyRing) -> str:
    """Return the value of the cookie."""
    claims = asdict(begun) | {"exp": int(time.time()) + LIFE_SECONDS}
    return jwt.encode(claims, keys.signer, algorithm=ALGORITHM, headers={"kid": keys.kid, "typ": _TYPE})


def unseal(cookie: str | None, keys: KeyRing) -> Begun | None:
    """Return what a cookie says; None when it is missing, expired, altered, or something else."""
    try:
        header = jwt.get_unverified_header(cookie or "")
        key = keys.public.get(str(header.get("kid")))
        if key is None or header.get("typ") != _TYPE:
            return None
        claims = jwt.decode(cookie or "", key, algorithms=[ALGORITHM], options={"require": ["exp"]})
        claims.pop("exp")
        return Begun(**claims)
    except (jwt.PyJWTError, TypeError, ValueError):
        return None
