"""What an ID token says, when everything about it is right (OpenID Connect Core 1.0, 3.1.3.7)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from typing import Any, Final

import jwt

# Asymmetric ones alone: `none` proves nothing, and HS256 would take a public key for a shared secret.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)
# how far the provider's clock may be from ours
LEEWAY_SECONDS: Final = 60
SUBJECT_MAX: Final = 255

Claims = Mapping[str, Any]


class TokenInvalid(Exception):
    """The ID token must not be believed; the text is for the log, and holds nothing of the token's secrets."""


class KeyUnknown(TokenInvalid):
    """No key of the set that we have fits: the provider may have made a new one."""


def verify(
    token: str, keys: Sequence[Any], *, issuer: str, client_id: str, nonce: str, algorithms: frozenset[str]
) -> Claims:
    """Return the claims of an ID token signed by one of `keys` (JWKs); `TokenInvalid`, and `KeyUnknown` before that."""
    try:
        header = jwt.get_unverified_header(token)
        algorithm = header.get("alg")
        if algorithm not in ALGORITHMS & algorithms:
            raise TokenInvalid(f"the algorithm {str(algorithm)[:20]!r} is not accepted")
        claims: dict[str, Any] = jwt.decode(
            token,
            _key(keys, header.get("kid"), str(algorithm)),
            algorithms=[str(algorithm)],
            audience=client_id,
            issuer=issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
    except jwt.InvalidSignatureError as error:
        raise KeyUnknown("the signature does not fit the key") from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise TokenInvalid(f"{type(error).__name__}: {error}") from error
    _check(claims, client_id, nonce)
    return claims


def _key(keys: Sequence[Any], kid: object, algorithm: str) -> jwt.PyJWK:
    """Return the key that a header names, or the only one that could be meant where it names none."""
    fitting = []
    for each in keys:
        if not isinstance(each, dict) or each.get("use", "sig") != "sig" or each.get("kty") == "oct":
            continue
        if each.get("alg", algorithm) != algorithm or (kid is not None and each.get("kid") != kid):
            continue
        try:
            fitting.append(jwt.PyJWK.from_dict(each, algorithm=algorithm))
        except jwt.PyJWTError:
            continue  # a key of another kind
    if len(fitting) != 1:
        raise KeyUnknown(f"{len(fitting)} keys of the provider fit")
    return fitting[0]


def _check(claims: Claims, client_id: str, nonce: str) -> None:
    """What PyJWT does not look at."""
    audience = claims["aud"]
    if isinstance(audience, list) and len(audience) > 1 and "azp" not in claims:
        raise TokenInvalid("several audiences and no azp")
    if claims.get("azp", client_id) != client_id:
        raise TokenInvalid("azp is another client")
    if not hmac.compare_digest(str(claims["nonce"]).encode(), nonce.encode()):
        raise TokenInvalid("the nonce is another one")
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= SUBJECT_MAX:
        raise TokenInvalid("sub is no text of 1 to 255 characters")
