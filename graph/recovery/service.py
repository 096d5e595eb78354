"""Verification of e-mail addresses, and new passwords, also for those who forgot theirs."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, InvalidInput, NotAuthenticated
from graph.core.events import REVOKED_CHANNEL, Events
from graph.core.passwords import check_password
from graph.core.security import hash_password, token_digest
from graph.core.viewer import Viewer
from graph.mails import repository as outbox
from graph.mails.texts import PASSWORD_CHANGED, RESET_PASSWORD, VERIFY_EMAIL
from graph.recovery import repository
from graph.users.limiter import LoginLimiter
from graph.users.names import normalise_email
from graph.users.passwords import prove_password
from graph.users.repository import revoke_sessions_of, user_by_id

_TOKEN_MAX: Final = 200


class Recovery:
    """The service. `address` is the client's network address."""

    def __init__(self, db: Database, events: Events, limiter: LoginLimiter) -> None:
        self._db = db
        self._events = events
        self._limiter = limiter

    async def request_reset(self, email: str, address: str) -> None:
        """Have a link sent to an address, if it has an account.

        Whether it has one is looked up by the worker that sends: here nothing depends on it, neither answer nor time.
        """
        email = normalise_email(email)
        await self._limiter.check(email=email, address=address, kind="mail")
        async with self._db.system() as session:
            await outbox.put(session, RESET_PASSWORD, email, None)
            await record(session, "user.password_reset_request", actor_id=None, workspace_id=None)

    async def reset(self, token: str, password: str, address: str) -> None:
        """Set a new password by the token of a link, and end all sessions; the owner is told by mail."""
        await self._limiter.check(email=None, address=address)
        digest = _digest(token)
        async with self._db.system() as session:
            user = await repository.holder(session, RESET_PASSWORD, digest)
        if user is None:
            raise _void()
        check_password(password, email=user.email)
        hashed = await hash_password(password)
        async with self._db.system() as session:
            if not await repository.use(session, RESET_PASSWORD, digest):
                raise _void()
            user = await repository.locked_user(session, user.id)
            user.password_hash = hashed
            # who opened the link reads the mail of this address
            user.email_verified_at = user.email_verified_at or await repository.now(session)
            await repository.void(session, user.id, (RESET_PASSWORD, VERIFY_EMAIL, "LOG_IN"))
            ended = await revoke_sessions_of(session, user.id, "password reset")
            await outbox.put(session, PASSWORD_CHANGED, user.email, user.id)
            await record(
                session,
                "user.password_reset",
                actor_id=user.id,
                workspace_id=None,
                object_type="User",
                object_id=user.id,
                data={"sessions": len(ended)},
            )
        await self._announce(ended)

    async def change(self, viewer: Viewer, password: str, new_password: str, address: str) -> None:
        """Set a new password by the current one, and end all other sessions; the owner is told by mail."""
        async with self._db.system() as session:
            user = await user_by_id(session, viewer.user_id)
        if user is None:
            raise NotAuthenticated
        await prove_password(self._limiter, user, password, address)
        check_password(new_password, email=user.email, path=("newPassword",))
        hashed = await hash_password(new_password)
        async with self._db.system() as session:
            (await repository.locked_user(session, user.id)).password_hash = hashed
            await repository.void(session, user.id, (RESET_PASSWORD, "LOG_IN"))
            ended = await revoke_sessions_of(session, user.id, "password changed", keep=viewer.session_id)
            await outbox.put(session, PASSWORD_CHANGED, user.email, user.id)
            await record(
                session,
                "user.password_change",
                actor_id=user.id,
                workspace_id=None,
                object_type="User",
                object_id=user.id,
                data={"sessions": len(ended)},
            )
        await self._announce(ended)

    async def _announce(self, ended: list[UUID]) -> None:
        for each in ended:
            await self._events.publish(REVOKED_CHANNEL, {"id": str(each)})

    async def request_verification(self, viewer: Viewer, address: str) -> str:
        """Have the link sent (again) that verifies the caller's address; returns the address."""
        async with self._db.system() as session:
            user = await user_by_id(session, viewer.user_id)
        if user is None or user.email_verified_at is not None:
            raise Conflict("Your e-mail address is verified already.", code="EMAIL_VERIFIED")
        await self._limiter.check(email=user.email, address=address, kind="mail")
        async with self._db.system() as session:
            await outbox.put(session, VERIFY_EMAIL, user.email, user.id)
        return user.email

    async def verify(self, token: str, address: str) -> str:
        """Note that an address is its owner's, by the token of a link; returns the address."""
        await self._limiter.check(email=None, address=address)
        digest = _digest(token)
        async with self._db.system() as session:
            user = await repository.holder(session, VERIFY_EMAIL, digest)
            if user is None or not await repository.use(session, VERIFY_EMAIL, digest):
                raise _void()
            user = await repository.locked_user(session, user.id)
            user.email_verified_at = user.email_verified_at or await repository.now(session)
            await repository.void(session, user.id, (VERIFY_EMAIL,))
            await record(
                session,
                "user.verify_email",
                actor_id=user.id,
                workspace_id=None,
                object_type="User",
                object_id=user.id,
            )
        return user.email


def _digest(token: str) -> bytes:
    return token_digest(token.strip()[:_TOKEN_MAX])


def _void() -> InvalidInput:
    return InvalidInput(
        "This link is not valid (any more): each works once, for a limited time. Ask for a new one.",
        code="TOKEN_INVALID",
        path=["token"],
    )
