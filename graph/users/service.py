"""Accounts: what registration, log-in, refresh, log-out and API tokens do."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, cast
from uuid import UUID

import structlog
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound
from graph.core.events import REVOKED_CHANNEL, Events
from graph.core.ids import uuid7
from graph.core.passwords import check_password
from graph.core.refusals import Refusals
from graph.core.security import (
    AccessTokens,
    hash_password,
    needs_rehash,
    new_api_token,
    new_refresh_token,
    split_refresh_token,
    token_digest,
    verify_password,
)
from graph.core.settings import Settings
from graph.core.viewer import Viewer
from graph.mails import repository as outbox
from graph.mails.texts import VERIFY_EMAIL
from graph.models import ApiToken, Session, User, Workspace
from graph.models.api_tokens import SCOPES
from graph.second_factor.service import demand
from graph.users import repository
from graph.users.limiter import LoginLimiter
from graph.users.names import clean_name, normalise_email

_TOKENS_MAX: Final = 50
_TOKEN_DAYS_MAX: Final = 366
_PASSWORDS_OFF: Final = "Passwords open nothing here: sign in by single sign-on in the web application."

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LogIn:
    """A log-in or refresh: who, the access token with its expiry, and the refresh token for the cookie.

    `unsecured`: a second factor is to be set up before anything else.
    """

    user: User
    workspace_id: UUID
    access_token: str
    expires_at: datetime
    refresh_token: str
    unsecured: bool = False


class Accounts:
    """The service. `client` arguments are (address, user agent) of the request."""

    def __init__(
        self,
        settings: Settings,
        db: Database,
        events: Events,
        tokens: AccessTokens,
        limiter: LoginLimiter,
        refusals: Refusals,
    ) -> None:
        self._settings = settings
        self._db = db
        self._events = events
        self._tokens = tokens
        self._limiter = limiter
        self._refusals = refusals

    async def register(self, email: str, password: str, name: str, client: tuple[str, str | None]) -> LogIn:
        """Make an account with its personal workspace and log it in."""
        await self._limiter.check(email=None, address=client[0])
        if not self._settings.takes_passwords:
            raise Forbidden(_PASSWORDS_OFF, code="PASSWORD_LOGIN_OFF")
        if self._settings.registration == "closed":
            raise Forbidden("Registration is closed. Ask an administrator for an account.", code="REGISTRATION_CLOSED")
        email, name = normalise_email(email), clean_name(name)
        check_password(password, email=email)
        user, workspace = await self._make(email, await hash_password(password), name, "USER")
        log.info("registered", user_id=str(user.id))
        return await self._begin(user, workspace.id, client, "user.register")

    async def _make(self, email: str, hashed: str, name: str, role: str) -> tuple[User, Workspace]:
        user = User(id=uuid7(), email=email, name=name, password_hash=hashed, role=role)
        if role == "ADMIN":
            # of the settings: whoever runs the service vouches for it
            user.email_verified_at = datetime.now(UTC)
        workspace = Workspace(id=uuid7(), name=name, owner_id=user.id, personal=True)
        try:
            async with self._db.system() as session:
                await repository.add_account(session, user, workspace)
                if user.email_verified_at is None:
                    await outbox.put(session, VERIFY_EMAIL, email, user.id)
        except IntegrityError as error:
            raise InvalidInput(
                "There is an account with this e-mail address already. Log in instead.",
                code="EMAIL_TAKEN",
                path=["email"],
            ) from error
        return user, workspace

    async def ensure_administrator(self) -> bool:
        """Make the administrator of ADMIN_EMAIL and ADMIN_PASSWORD unless the account exists; True when made."""
        email, secret = self._settings.admin_email, self._settings.admin_password
        if email is None or secret is None:
            return False
        email, password = normalise_email(email), secret.get_secret_value()
        async with self._db.system() as session:
            if await repository.user_by_email(session, email) is not None:
                return False  # made when other passwords were allowed, maybe
        check_password(password, email=email, path=("ADMIN_PASSWORD",))
        try:
            user, _ = await self._make(email, await hash_password(password), "Administrator", "ADMIN")
        except InvalidInput:
            return False  # another process was faster
        log.info("administrator_made", user_id=str(user.id))
        return True

    async def log_in(self, email: str, password: str, client: tuple[str, str | None]) -> LogIn:
        """Begin a session; an unknown address and a wrong password look and take the same.

        Raises `SecondFactorNeeded` when a code is needed too.
        """
        if not self._settings.takes_passwords:
            raise InvalidInput(_PASSWORDS_OFF, code="PASSWORD_LOGIN_OFF")
        email = unicodedata.normalize("NFKC", email).strip().lower()[:254]
        await self._limiter.check(email=email, address=client[0])
        async with self._db.system() as session:
            user = await repository.user_by_email(session, email)
        right = await verify_password(user.password_hash if user else None, password)
        if user is None or not right or user.disabled_at is not None:
            await self._refusals.write("user.login_failed", "CREDENTIALS_WRONG", actor_id=user.id if user else None)
            raise InvalidInput("E-mail address or password is wrong.", code="CREDENTIALS_WRONG", path=["password"])
        await self._limiter.forgive(email=email, address=client[0])
        if needs_rehash(user.password_hash):
            rehashed = await hash_password(password)
            async with self._db.system() as session:
                (await session.merge(user)).password_hash = rehashed
        await demand(self._db, user)
        return await self.open_session(user, client, factors=["password"])

    async def open_session(
        self,
        user: User,
        client: tuple[str, str | None],
        *,
        factors: Sequence[str] = (),
        issuer: str | None = None,
        ends_at: datetime | None = None,
    ) -> LogIn:
        """Begin a session of somebody who has shown who they are, to us by `factors`, or to a provider (`issuer`)."""
        async with self._db.system() as session:
            workspace = await repository.personal_workspace(session, user.id)
        return await self._begin(user, workspace.id, client, "user.login", factors, issuer, ends_at)

    async def _begin(
        self,
        user: User,
        workspace_id: UUID,
        client: tuple[str, str | None],
        action: str,
        factors: Sequence[str] = (),
        issuer: str | None = None,
        ends_at: datetime | None = None,
    ) -> LogIn:
        session_id, secret = uuid7(), new_refresh_token()
        row = Session(
            id=session_id,
            user_id=user.id,
            token_digest=token_digest(secret),
            expires_at=self._session_end(datetime.now(UTC), ends_at),
            address=client[0],
            user_agent=(client[1] or "")[:300] or None,
            issuer=issuer,
            ends_at=ends_at,
        )
        async with self._db.system() as session:
            await repository.add(session, row)
            await record(
                session,
                action,
                actor_id=user.id,
                workspace_id=workspace_id,
                object_type="Session",
                object_id=session_id,
                data={"issuer": issuer} if issuer else {"factors": list(factors)} if factors else None,
            )
            unsecured = await self._unsecured(session, user, session_id)
        return self._answer(user, workspace_id, row, secret, unsecured=unsecured)

    def _session_end(self, began: datetime, latest: datetime | None) -> datetime:
        """Return when a session ends that is not used from now on: by its age at last, or by the provider's word."""
        unused = datetime.now(UTC) + timedelta(days=self._settings.session_days)
        return min(filter(None, [unused, latest, began + timedelta(days=self._settings.session_max_days)]))

    async def _unsecured(self, session: AsyncSession, user: User, session_id: UUID) -> bool:
        demanded = self._settings.demands_second_factor(user.role)
        return demanded and not await repository.is_secured(session, user.id, session_id)

    def _answer(self, user: User, workspace_id: UUID, row: Session, secret: str, *, unsecured: bool) -> LogIn:
        role = cast("Literal['USER', 'ADMIN']", user.role)
        token, expires = self._tokens.issue(
            user.id,
            row.id,
            workspace_id,
            role,
            verified=user.email_verified_at is not None,
            latest=row.expires_at,
        )
        ends = datetime.fromtimestamp(expires, UTC)
        return LogIn(user, workspace_id, token, ends, f"{row.id.hex}.{secret}", unsecured)

    async def refresh(self, refresh_token: str | None) -> LogIn:
        """Rotate the refresh token; one that was used before ends the session, for thief and owner alike."""
        refused = NotAuthenticated("The session has ended. Log in again.")
        session_id, secret = split_refresh_token(refresh_token)
        if session_id is None:
            raise refused
        reused = False
        fresh = new_refresh_token()
        async with self._db.system() as session:
            row = await repository.locked_session(session, session_id)
            now = datetime.now(UTC)
            if row is None or row.revoked_at is not None:
                raise refused
            # the setting may be another now, and a version of before may have given more time
            if min(row.expires_at, self._session_end(row.created_at, row.ends_at)) <= now:
                raise refused
            user = await repository.user_by_id(session, row.user_id)
            if row.token_digest != token_digest(secret):
                reused = True
                await repository.revoke_session(session, session_id, "refresh token reused")
                await record(
                    session,
                    "session.reuse_detected",
                    actor_id=row.user_id,
                    workspace_id=None,
                    object_type="Session",
                    object_id=session_id,
                )
            elif user is not None:
                row.token_digest = token_digest(fresh)
                row.rotated_at = datetime.now(UTC)
                row.expires_at = self._session_end(row.created_at, row.ends_at)
                workspace = await repository.personal_workspace(session, user.id)
                unsecured = await self._unsecured(session, user, session_id)
        if reused:
            log.warning("refresh_token_reused", session_id=str(session_id))
            await self._announce(session_id)
            raise refused
        if user is None:
            raise refused
        return self._answer(user, workspace.id, row, fresh, unsecured=unsecured)

    async def log_out(self, refresh_token: str | None, viewer: Viewer | None) -> str | None:
        """End the session of the cookie and the one of the access token; nothing happens without either.

        Returns the issuer of the provider where the cookie's session began, if it did so at one.
        """
        session_id, secret = split_refresh_token(refresh_token)
        ended: dict[UUID, UUID] = {}
        issuer = None
        async with self._db.system() as session:
            if session_id is not None:
                row = await repository.locked_session(session, session_id)
                if row is not None and row.token_digest == token_digest(secret):
                    ended[session_id] = row.user_id
                    issuer = row.issuer
            if viewer is not None and viewer.session_id is not None:
                ended[viewer.session_id] = viewer.user_id
            for each, whose in ended.items():
                if await repository.revoke_session(session, each, "logged out"):
                    await record(
                        session,
                        "user.logout",
                        actor_id=whose,
                        workspace_id=None,
                        object_type="Session",
                        object_id=each,
                    )
        for each in ended:
            await self._announce(each)
        return issuer

    async def log_out_everywhere(self, viewer: Viewer) -> int:
        """End all sessions of the caller, this one too, at once in all processes; returns how many. API tokens stay."""
        async with self._db.system() as session:
            ended = await repository.revoke_sessions_of(session, viewer.user_id, "logged out everywhere")
            await record(
                session,
                "user.logout_everywhere",
                actor_id=viewer.user_id,
                workspace_id=None,
                object_type="User",
                object_id=viewer.user_id,
                data={"sessions": len(ended)},
            )
        for each in ended:
            await self._announce(each)
        return len(ended)

    async def _announce(self, revoked_id: UUID) -> None:
        """Tell all processes at once; those that Redis does not reach learn it from PostgreSQL in seconds."""
        await self._events.publish(REVOKED_CHANNEL, {"id": str(revoked_id)})

    async def create_api_token(
        self, viewer: Viewer, name: str, scopes: list[str], expires_at: datetime | None
    ) -> tuple[ApiToken, str]:
        """Make a token for the active workspace; the text is shown once and not stored."""
        name = clean_name(name)
        wanted = sorted(set(scopes))
        unknown = [scope for scope in wanted if scope not in SCOPES]
        if unknown or not wanted:
            raise InvalidInput(
                f"`scopes` takes {' and '.join(SCOPES)}" + (f", not {', '.join(unknown)}." if unknown else "."),
                code="SCOPE_UNKNOWN",
                path=["scopes"],
            )
        if "write" in wanted and not viewer.allows("EDITOR", "write"):
            raise Forbidden("A viewer of a workspace cannot make tokens that write.", path=["scopes"])
        if expires_at is not None:
            expires_at = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
            if not datetime.now(UTC) < expires_at <= datetime.now(UTC) + timedelta(days=_TOKEN_DAYS_MAX):
                raise InvalidInput(
                    f"`expiresAt` must lie in the future, at most {_TOKEN_DAYS_MAX} days ahead.",
                    code="EXPIRY_OUT_OF_RANGE",
                    path=["expiresAt"],
                )
        secret = new_api_token()
        row = ApiToken(
            workspace_id=viewer.workspace_id,
            user_id=viewer.user_id,
            name=name,
            prefix=secret[:8],
            token_digest=token_digest(secret),
            scopes=wanted,
            expires_at=expires_at,
        )
        async with self._db.system() as session:
            if len(await repository.api_tokens_of(session, viewer.user_id)) >= _TOKENS_MAX:
                raise InvalidInput(f"You have {_TOKENS_MAX} API tokens. Revoke some first.", code="TOO_MANY_TOKENS")
            await repository.add(session, row)
            await record(
                session,
                "api_token.create",
                actor_id=viewer.user_id,
                workspace_id=viewer.workspace_id,
                object_type="ApiToken",
                object_id=row.id,
                data={"scopes": wanted},
            )
        return row, secret

    async def revoke_api_token(self, viewer: Viewer, token_id: UUID) -> ApiToken:
        """Revoke one of the caller's own tokens, at once in all processes."""
        async with self._db.system() as session:
            row = await repository.revoke_api_token(session, token_id, viewer.user_id)
            if row is None:
                raise NotFound.of("API token")
            await record(
                session,
                "api_token.revoke",
                actor_id=viewer.user_id,
                workspace_id=row.workspace_id,
                object_type="ApiToken",
                object_id=row.id,
            )
        await self._announce(token_id)
        return row

    async def user(self, user_id: UUID) -> User:
        """Return an account; `NotAuthenticated` when it is gone."""
        async with self._db.system() as session:
            user = await repository.user_by_id(session, user_id)
        if user is None:
            raise NotAuthenticated
        return user

    async def api_tokens(self, viewer: Viewer) -> list[ApiToken]:
        """Return the caller's own tokens."""
        async with self._db.system() as session:
            return await repository.api_tokens_of(session, viewer.user_id)
