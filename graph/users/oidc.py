"""Single sign-on by OpenID Connect: authorization code with PKCE, and whose account a subject of the provider is.

An account belongs to a subject by (issuer, subject), never by an e-mail address alone: addresses change hands, and a
provider may let people write what they like. Whoever has an account links it while logged in.
"""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Forbidden, InvalidInput, NotFound
from graph.core.events import REVOKED_CHANNEL, Events
from graph.core.ids import uuid7
from graph.core.refusals import Refusals
from graph.core.security import hash_password
from graph.core.settings import Settings
from graph.core.viewer import Viewer
from graph.mails import repository as outbox
from graph.mails.texts import VERIFY_EMAIL
from graph.models import Identity, User, Workspace
from graph.users import oidc_repository, repository
from graph.users.limiter import LoginLimiter
from graph.users.names import clean_name, normalise_email
from graph.users.oidc_client import Provider, ProviderAway, SignInRefused
from graph.users.oidc_state import Begun
from graph.users.oidc_tokens import Claims
from graph.users.passwords import prove_password
from graph.users.service import Accounts, LogIn

CALLBACK: Final = "/auth/oidc/callback"
Client = tuple[str, str | None]
# nobody waits longer to leave because the provider does not answer
_LOG_OUT_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)


class SingleSignOn:
    """The service; there is one where OIDC_ISSUER is set. `client` arguments are (address, user agent)."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        events: Events,
        accounts: Accounts,
        limiter: LoginLimiter,
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._db = db
        self._events = events
        self._accounts = accounts
        self._limiter = limiter
        self._refusals = refusals
        self.provider = Provider(settings)

    @property
    def redirect_uri(self) -> str:
        """Where the provider sends browsers back to."""
        return self._settings.public_url + CALLBACK

    async def begin(self, begun: Begun) -> str:
        """Return the provider's page for a sign-in; `SignInRefused` when the provider does not answer."""
        metadata = await self.provider.metadata()
        query = {
            "response_type": "code",
            "client_id": self.provider.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": self._settings.scopes,
            "state": begun.state,
            "nonce": begun.nonce,
            "code_challenge": begun.challenge,
            "code_challenge_method": "S256",
        }
        return _with_query(metadata.authorization_endpoint, query)

    async def finish(self, begun: Begun | None, answer: dict[str, str], client: Client) -> LogIn | None:
        """Take the provider's answer: open a session, or link the account that began this (then None).

        `answer` is the query of the callback. Every way to fail is a `SignInRefused`, or `RateLimited`.
        """
        await self._limiter.check(email=None, address=client[0])
        if begun is None or not begun.answers(answer.get("state")):
            raise SignInRefused("This sign-in was not begun here, or too long ago.", code="OIDC_STATE_UNKNOWN")
        to_link = begun.to_link
        try:
            claims = await self._claims(begun, answer)
            logged_in = await (self._link(claims, *to_link) if to_link else self._enter(claims, client))
        except ProviderAway as error:
            log.warning("oidc_provider_away", reason=error.reason)
            raise
        except SignInRefused as error:
            action, actor = ("identity.link_failed", to_link[0]) if to_link else ("user.login_failed", None)
            await self._refusals.write(action, error.code, actor_id=actor, data={"issuer": self.provider.issuer})
            raise
        await self._limiter.forgive(email=None, address=client[0])
        return logged_in

    async def _claims(self, begun: Begun, answer: dict[str, str]) -> Claims:
        metadata = await self.provider.metadata()
        # RFC 9207: an answer of another provider must not be redeemed at this one
        named = answer.get("iss")
        if named != self.provider.issuer and (named is not None or metadata.names_itself):
            raise SignInRefused("The answer is of another provider.", code="OIDC_ISSUER_MISMATCH")
        code = answer.get("code")
        if "error" in answer or not code:
            denied = answer.get("error") == "access_denied"
            log.info("oidc_error", error=answer.get("error", "")[:100])
            raise SignInRefused("The provider refused.", code="OIDC_DENIED" if denied else "OIDC_REFUSED")
        tokens = await self.provider.exchange(code, begun.verifier, self.redirect_uri)
        wanted = {"email", "email_verified", "name"} | set(filter(None, [self._settings.oidc_admin_claim]))
        return await self.provider.claims(tokens, begun.nonce, wanted)

    async def _enter(self, claims: Claims, client: Client) -> LogIn:
        try:
            user = await self._account(claims)
        except IntegrityError:
            user = await self._account(claims)  # the same person at the same time, in another tab
        ends_at = datetime.now(UTC) + timedelta(hours=self._settings.oidc_session_hours)
        return await self._accounts.open_session(user, client, issuer=self.provider.issuer, ends_at=ends_at)

    async def _account(self, claims: Claims) -> User:
        """Return the account of a subject, linked or made where the settings say so."""
        email = _email(claims)
        async with self._db.system() as session:
            found = await oidc_repository.locked_identity(session, self.provider.issuer, claims["sub"])
            if found is not None:
                identity, user = found
                identity.email, identity.used_at = email, datetime.now(UTC)
                if user.email_verified_at is None and email == user.email and claims.get("email_verified") is True:
                    user.email_verified_at = datetime.now(UTC)
            else:
                user = await self._new(session, email, claims)
                await self._add(session, user.id, email, claims)
            if user.disabled_at is not None:
                raise SignInRefused("The account is disabled.", code="ACCOUNT_DISABLED")
            await self._follow_role(session, user, claims)
        return user

    async def _new(self, session: AsyncSession, email: str | None, claims: Claims) -> User:
        """Return the account that a subject unknown so far gets; its address decides whether it gets any."""
        verified = claims.get("email_verified") is True
        if email is None:
            raise SignInRefused("The provider tells no e-mail address.", code="OIDC_EMAIL_MISSING")
        if not verified and "email_verified" in claims:
            # it may be another's, who would share the account once they set a password by e-mail
            raise SignInRefused("The provider has not verified the address.", code="OIDC_EMAIL_UNVERIFIED")
        domains = self._settings.allowed_domains
        if domains and not (verified and email.rpartition("@")[2] in domains):
            raise SignInRefused("Addresses of this domain may not sign in.", code="OIDC_DOMAIN_FORBIDDEN")
        known = await repository.user_by_email(session, email)
        if known is not None:
            # an account whose address nobody verified may be a trap: somebody else has its password
            if self._settings.oidc_trust_email == "on" and verified and known.email_verified_at is not None:
                return known
            raise SignInRefused("There is an account with this address.", code="OIDC_EMAIL_TAKEN")
        if self._settings.oidc_create_accounts == "off":
            raise SignInRefused("There is no account for this person.", code="OIDC_NO_ACCOUNT")
        name = _name(claims, email)
        # of a password that nobody knows: to versions and code that know no single sign-on it is an account like others
        hashed = await hash_password(secrets.token_urlsafe(32))
        user = User(id=uuid7(), email=email, name=name, password_hash=hashed, role="USER")
        user.email_verified_at = datetime.now(UTC) if verified else None
        workspace = Workspace(id=uuid7(), name=name, owner_id=user.id, personal=True)
        await repository.add_account(session, user, workspace)
        if not verified:
            await outbox.put(session, VERIFY_EMAIL, email, user.id)
        await self._record(session, "user.register", user.id, user.id)
        log.info("registered", user_id=str(user.id), issuer=self.provider.issuer)
        return user

    async def _add(self, session: AsyncSession, user_id: UUID, email: str | None, claims: Claims) -> None:
        row = Identity(
            id=uuid7(),
            user_id=user_id,
            issuer=self.provider.issuer,
            subject=claims["sub"],
            email=email,
            used_at=datetime.now(UTC),
        )
        await oidc_repository.add_identity(session, row)
        await self._record(session, "identity.link", user_id, row.id)

    async def _follow_role(self, session: AsyncSession, user: User, claims: Claims) -> None:
        """Make an administrator, or none, of an account, as OIDC_ADMIN_CLAIM says."""
        claim = self._settings.oidc_admin_claim
        if claim is None:
            return
        value = claims.get(claim)
        said = {str(each) for each in (value if isinstance(value, list) else [value])}
        role = "ADMIN" if said & self._settings.admin_values else "USER"
        if role != user.role:
            user.role = role
            await self._record(session, "user.role", user.id, user.id, role=role)

    async def _link(self, claims: Claims, user_id: UUID, session_id: UUID) -> None:
        """Give the account that began this its subject; its session must not have ended meanwhile."""
        taken = SignInRefused("This sign-in belongs to another account.", code="OIDC_IDENTITY_TAKEN")
        try:
            async with self._db.system() as session:
                if not await oidc_repository.is_open(session, session_id):
                    raise SignInRefused("The session has ended.", code="OIDC_STATE_UNKNOWN")
                found = await oidc_repository.locked_identity(session, self.provider.issuer, claims["sub"])
                if found is None:
                    await self._add(session, user_id, _email(claims), claims)
                elif found[1].id != user_id:
                    raise taken
        except IntegrityError as error:
            raise taken from error

    async def links(self, user_id: UUID) -> list[Identity]:
        """Return what an account signs in with."""
        async with self._db.system() as session:
            return await oidc_repository.identities_of(session, user_id)

    async def unlink(self, viewer: Viewer, identity_id: UUID, password: str, address: str) -> None:
        """Take a subject from the caller's account, and end its sessions.

        The password proves that its owner can still get in. Raises `InvalidInput`, `Forbidden` and `NotFound`.
        """
        if not self._settings.takes_passwords:
            raise Forbidden("Single sign-on is the only way in here.", code="PASSWORD_LOGIN_OFF")
        async with self._db.system() as session:
            user = await repository.user_by_id(session, viewer.user_id)
        if user is None:
            raise NotFound.of("account")
        await prove_password(self._limiter, user, password, address)
        async with self._db.system() as session:
            row = await oidc_repository.identity_of(session, identity_id, viewer.user_id)
            if row is None:
                raise NotFound.of("sign-in")
            ended = await oidc_repository.remove_identity(session, row)
            await self._record(session, "identity.unlink", viewer.user_id, identity_id, sessions=len(ended))
        for each in ended:
            await self._events.publish(REVOKED_CHANNEL, {"id": str(each)})

    async def log_out_url(self) -> str | None:
        """Return the provider's page that ends its own session (RP-Initiated Logout 1.0), None when it has none."""
        try:
            async with asyncio.timeout(_LOG_OUT_SECONDS):
                endpoint = (await self.provider.metadata()).end_session_endpoint
        except (ProviderAway, TimeoutError):
            return None  # the session here has ended all the same
        if endpoint is None:
            return None
        back = f"{self._settings.public_url}/sign-in"
        return _with_query(endpoint, {"client_id": self.provider.client_id, "post_logout_redirect_uri": back})

    async def _record(self, session: AsyncSession, action: str, user_id: UUID, object_id: UUID, **data: Any) -> None:
        await record(
            session,
            action,
            actor_id=user_id,
            workspace_id=None,
            object_type="Identity" if action.startswith("identity.") else "User",
            object_id=object_id,
            data={"issuer": self.provider.issuer} | data,
        )


def _with_query(url: str, query: dict[str, str]) -> str:
    return f"{url}{'&' if '?' in url else '?'}{urlencode(query)}"


def _email(claims: Claims) -> str | None:
    """Return the address that the provider says, None when it says none that could be an account's."""
    try:
        return normalise_email(str(claims.get("email") or ""))
    except InvalidInput:
        return None


def _name(claims: Claims, email: str) -> str:
    try:
        return clean_name(str(claims.get("name") or "")[:200])
    except InvalidInput:
        return email.partition("@")[0]
