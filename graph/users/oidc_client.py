"""Talking to the OpenID provider: discovery, keys, tokens. Bounded in time and size, no redirect followed.

The provider is the operator's choice, so its addresses are not looked at as those of webhooks are: it may well be
inside. What it says of itself is believed only under the issuer that the operator named, and over https as the issuer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx
import orjson
import structlog

from graph.core.errors import TopLevelError
from graph.core.settings import Settings
from graph.users.oidc_tokens import ALGORITHMS, Claims, KeyUnknown, TokenInvalid, verify

TIMEOUT_SECONDS: Final = 10.0
ANSWER_BYTES: Final = 1024 * 1024
# What the provider says of itself is asked anew after this. A key that it takes back is believed no longer than that;
# one that is new is found at once, since tokens name it.
REMEMBER_SECONDS: Final = 900.0
# after it did not answer it is not asked again for so long: those who wait in a row need not all wait in vain
REST_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class SignInRefused(TopLevelError):
    """Signing in ends here; the web application has a sentence for each code."""


class ProviderAway(SignInRefused):
    """The provider does not answer, or not as a provider does."""

    code = "OIDC_UNAVAILABLE"

    def __init__(self, reason: str) -> None:
        super().__init__("The sign-in provider does not answer. Try again in a few minutes.")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is used of a discovery document (OpenID Connect Discovery 1.0, RFC 8414, RFC 9207)."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    end_session_endpoint: str | None
    basic_auth: bool
    names_itself: bool
    algorithms: frozenset[str]


@dataclass(frozen=True, slots=True)
class Tokens:
    """What the token endpoint gave for a code."""

    id_token: str
    access_token: str | None


class Provider:
    """The provider of OIDC_ISSUER; `close` at the end."""

    def __init__(self, settings: Settings) -> None:
        self.issuer = settings.oidc_issuer or ""
        self.client_id = settings.oidc_client_id or ""
        secret = settings.oidc_client_secret
        self._secret = secret.get_secret_value() if secret else None
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)
        self._metadata: tuple[float, Metadata] | None = None
        self._failed: tuple[float, str] | None = None
        self._keys: tuple[float, list[Any]] | None = None
        self._asking = asyncio.Lock()

    async def close(self) -> None:
        """Close what is open."""
        await self._http.aclose()

    async def metadata(self) -> Metadata:
        """Return the discovery document, remembered for a while, and longer while the provider is away."""
        async with self._asking:
            known, failed = self._metadata, self._failed
            if known is not None and time.monotonic() - known[0] <= REMEMBER_SECONDS:
                return known[1]
            if failed is None or time.monotonic() - failed[0] > REST_SECONDS:
                try:
                    document = await self._get(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
                    known, failed = (time.monotonic(), self.read(document)), None
                except ProviderAway as error:
                    log.warning("oidc_discovery_failed", issuer=self.issuer, reason=error.reason)
                    failed = (time.monotonic(), error.reason)
                self._metadata, self._failed = known, failed
            if known is None:
                raise ProviderAway(failed[1] if failed else "it was not asked")
            return known[1]

    def read(self, document: Mapping[str, Any]) -> Metadata:
        """Return what is used of a discovery document; `ProviderAway` when it is not one to believe."""
        if document.get("issuer") != self.issuer:
            raise ProviderAway(f"OIDC_ISSUER is {self.issuer}, the document says {str(document.get('issuer'))[:200]}")
        methods = _texts(document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
        needed = {"client_secret_basic", "client_secret_post"} if self._secret else {"none"}
        # RFC 8414 names `none` rarely; that we have no secret is the operator's word
        if self._secret and not needed & methods:
            raise ProviderAway("it takes a client's secret neither by Basic nor in the body")
        return Metadata(
            authorization_endpoint=self._endpoint(document, "authorization_endpoint"),
            token_endpoint=self._endpoint(document, "token_endpoint"),
            jwks_uri=self._endpoint(document, "jwks_uri"),
            userinfo_endpoint=self._optional(document, "userinfo_endpoint"),
            end_session_endpoint=self._optional(document, "end_session_endpoint"),
            basic_auth="client_secret_basic" in methods,
            names_itself=document.get("authorization_response_iss_parameter_supported") is True,
            algorithms=_texts(document.get("id_token_signing_alg_values_supported", ["RS256"])) & ALGORITHMS,
        )

    def _optional(self, document: Mapping[str, Any], name: str) -> str | None:
        return self._endpoint(document, name) if document.get(name) else None

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        value = document.get(name)
        if not isinstance(value, str) or urlsplit(value).scheme not in {"https", urlsplit(self.issuer).scheme}:
            raise ProviderAway(f"{name} of the discovery document is no URL of https")
        return value

    async def exchange(self, code: str, verifier: str, redirect_uri: str) -> Tokens:
        """Redeem a code; `SignInRefused` (OIDC_REFUSED) when the provider does not take it."""
        metadata = await self.metadata()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        auth = None
        if self._secret is None:
            form["client_id"] = self.client_id
        elif metadata.basic_auth:
            # RFC 6749, 2.3.1: both are encoded before they are joined
            auth = httpx.BasicAuth(quote_plus(self.client_id), quote_plus(self._secret))
        else:
            form |= {"client_id": self.client_id, "client_secret": self._secret}
        status, body = await self._ask("POST", metadata.token_endpoint, data=form, auth=auth)
        id_token, access_token = body.get("id_token"), body.get("access_token")
        if status != 200 or not isinstance(id_token, str):
            log.warning("oidc_code_refused", status=status, error=str(body.get("error"))[:100])
            raise SignInRefused("The provider refused the sign-in. Start again.", code="OIDC_REFUSED")
        return Tokens(id_token, access_token if isinstance(access_token, str) else None)

    async def claims(self, tokens: Tokens, nonce: str, wanted: set[str]) -> Claims:
        """Return what the ID token says, and of what is `wanted` and missing there, what userinfo says.

        `SignInRefused` (OIDC_TOKEN_INVALID) when any part must not be believed.
        """
        try:
            claims = await self._verified(tokens.id_token, nonce)
            metadata = await self.metadata()
            missing = wanted - claims.keys()
            if missing and metadata.userinfo_endpoint and tokens.access_token:
                said = await self._get(metadata.userinfo_endpoint, tokens.access_token)
                if said.get("sub") != claims["sub"]:
                    raise TokenInvalid("userinfo speaks of another subject")
                return {name: value for name, value in said.items() if name in missing} | dict(claims)
        except TokenInvalid as error:
            log.warning("oidc_token_invalid", issuer=self.issuer, reason=str(error))
            raise SignInRefused("What the provider says cannot be believed.", code="OIDC_TOKEN_INVALID") from error
        return claims

    async def _verified(self, id_token: str, nonce: str) -> Claims:
        metadata = await self.metadata()
        for fresh in (False, True):
            keys = await self._key_set(metadata, fresh=fresh)
            try:
                return verify(
                    id_token,
                    keys,
                    issuer=self.issuer,
                    client_id=self.client_id,
                    nonce=nonce,
                    algorithms=metadata.algorithms,
                )
            except KeyUnknown:
                if fresh:
                    raise
        raise AssertionError("the second turn returns or raises")

    async def _key_set(self, metadata: Metadata, *, fresh: bool) -> list[Any]:
        known = self._keys
        if fresh or known is None or time.monotonic() - known[0] > REMEMBER_SECONDS:
            keys = (await self._get(metadata.jwks_uri)).get("keys")
            if not isinstance(keys, list):
                raise ProviderAway("the key set has no keys")
            known = self._keys = (time.monotonic(), keys)
        return known[1]

    async def _get(self, url: str, token: str | None = None) -> Mapping[str, Any]:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        status, body = await self._ask("GET", url, headers=headers)
        if status != 200:
            raise ProviderAway(f"{url} answers {status}")
        return body

    async def _ask(self, method: str, url: str, **request: Any) -> tuple[int, Mapping[str, Any]]:
        """Return status and JSON object of an answer; `ProviderAway` for anything else."""
        received = bytearray()
        headers = {"accept": "application/json", "user-agent": "karyaksham"} | request.pop("headers", {})
        try:
            async with (
                asyncio.timeout(TIMEOUT_SECONDS),
                self._http.stream(method, url, headers=headers, **request) as answer,
            ):
                async for part in answer.aiter_bytes():
                    received += part
                    if len(received) > ANSWER_BYTES:
                        raise ProviderAway(f"{url} answers with more than {ANSWER_BYTES} bytes")
            body = orjson.loads(received)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise ProviderAway(f"{url}: {str(error) or type(error).__name__}") from error
        except orjson.JSONDecodeError as error:
            raise ProviderAway(f"{url} answers {answer.status_code} without JSON") from error
        if not isinstance(body, dict) or answer.status_code >= 500:
            raise ProviderAway(f"{url} answers {answer.status_code}, not as a provider does")
        return answer.status_code, body


def _texts(value: object) -> frozenset[str]:
    """Return the texts of a list in a document; anything else is none."""
    return frozenset(each for each in value if isinstance(each, str)) if isinstance(value, list) else frozenset()
