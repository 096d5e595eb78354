"""From credentials to a `Viewer`: without a query for what is known, and with revocation in seconds everywhere.

Access tokens are verified by signature alone; API tokens and shared-workspace roles are remembered for a short time.
Revocations reach every process by Redis at once, and by a look into PostgreSQL every few seconds where Redis is down.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import timedelta
from typing import Any, Final, Literal, cast
from uuid import UUID

import structlog

from graph.core.db import Database
from graph.core.errors import NotAuthenticated, NotFound, ServiceUnavailable
from graph.core.events import REVOKED_CHANNEL, Events
from graph.core.ids import parse_id
from graph.core.remember import Remembered
from graph.core.security import API_TOKEN_PREFIX, AccessTokens, token_digest
from graph.core.settings import Settings
from graph.core.viewer import Viewer, WorkspaceRole
from graph.users import repository

_API_TOKEN_SECONDS: Final = 30
_ROLE_SECONDS: Final = 10
_TOUCH_SECONDS: Final = 60
_POLL_SECONDS: Final = 5
_ALL_SCOPES: Final = frozenset({"read", "write"})

log = structlog.get_logger(__name__)


class Authenticator:
    """Knows who a request comes from. Started and stopped with the application."""

    def __init__(self, settings: Settings, db: Database, events: Events, tokens: AccessTokens) -> None:
        self._settings = settings
        self._db = db
        self._events = events
        self._tokens = tokens
        self._api_tokens: Remembered[bytes, Viewer] = Remembered(_API_TOKEN_SECONDS)
        self._touched: Remembered[UUID, bool] = Remembered(_TOUCH_SECONDS)
        self._roles: Remembered[tuple[UUID, UUID], str] = Remembered(_ROLE_SECONDS)
        self._secured: Remembered[UUID, bool] = Remembered(_ROLE_SECONDS)
        self._revoked: set[UUID] = set()
        self._revocation = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to learn of revocations."""
        self._tasks = [asyncio.create_task(self._listen()), asyncio.create_task(self._poll())]

    async def stop(self) -> None:
        """End the background tasks."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def viewer(self, authorization: str | None, workspace: str | None = None) -> Viewer | None:
        """Return who sends this `Authorization: Bearer …` value; None without one.

        `workspace` is the `X-Workspace` header: the global id of the workspace to act in, else the personal one (or the
        one of the API token). Raises `NotAuthenticated`, and `NotFound` for a workspace the caller is no member of.
        """
        if not authorization:
            return None
        scheme, _, token = authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise NotAuthenticated("The Authorization header must be `Bearer <token>`.")
        if token.startswith(API_TOKEN_PREFIX):
            return await self._api_viewer(token, workspace)
        claims = self._tokens.verify(token)
        if claims.session_id in self._revoked or claims.user_id in self._revoked:
            raise NotAuthenticated("The session has ended. Log in again.")
        viewer_workspace, role = claims.workspace_id, "OWNER"
        if workspace:
            viewer_workspace = _workspace_id(workspace)
            if viewer_workspace != claims.workspace_id:
                role = await self._role(claims.user_id, viewer_workspace)
        return Viewer(
            user_id=claims.user_id,
            workspace_id=viewer_workspace,
            workspace_role=cast("WorkspaceRole", role),
            platform_role=claims.role,
            scopes=_ALL_SCOPES,
            session_id=claims.session_id,
            expires_at=claims.expires_at,
            unverified=not claims.verified and await self._must_verify(claims.user_id),
            unsecured=await self._unsecured(claims.user_id, claims.role, claims.session_id),
        )

    async def _must_verify(self, user_id: UUID) -> bool:
        """Tell whether somebody who had not verified their address still has to: they may have done it meanwhile."""
        if not self._settings.require_verified_email:
            return False
        async with self._db.system() as session:
            return not await repository.is_verified(session, user_id)

    async def _unsecured(self, user_id: UUID, role: str, session_id: UUID) -> bool:
        """Tell whether a second factor is to be set up before anything else; asked anew until it is."""
        if not self._settings.demands_second_factor(role) or self._secured.get(session_id):
            return False
        async with self._db.system() as session:
            secured = await repository.is_secured(session, user_id, session_id)
        if secured:
            self._secured.put(session_id, value=True)
        return not secured

    async def _role(self, user_id: UUID, workspace_id: UUID) -> str:
        role = self._roles.get((user_id, workspace_id))
        if role is None:
            async with self._db.system() as session:
                role = await repository.membership_role(session, user_id, workspace_id)
            if role is None:
                raise NotFound("There is no such workspace, or you are no member of it.", path=["X-Workspace"])
            self._roles.put((user_id, workspace_id), role)
        return role

    async def _api_viewer(self, token: str, workspace: str | None) -> Viewer:
        digest = token_digest(token)
        viewer = self._api_tokens.get(digest)
        if viewer is None:
            viewer = await self._load_api_token(digest)
        if viewer.token_id in self._revoked or viewer.user_id in self._revoked:
            raise NotAuthenticated("The API token was revoked.")
        if viewer.expires_at is not None and viewer.expires_at <= time.time():
            raise NotAuthenticated("The API token has expired.")
        if workspace and _workspace_id(workspace) != viewer.workspace_id:
            raise NotFound("This API token belongs to another workspace.", path=["X-Workspace"])
        return viewer

    async def _load_api_token(self, digest: bytes) -> Viewer:
        async with self._db.system() as session:
            found = await repository.api_token_by_digest(session, digest)
            if found is None:
                raise NotAuthenticated("The API token is not valid, was revoked or has expired.")
            row, role, platform_role, verified = found
            demanded = self._settings.demands_second_factor(platform_role)
            unsecured = demanded and not await repository.is_secured(session, row.user_id, None)
            if self._touched.get(row.id) is None:
                await repository.touch_api_token(session, row.id)
                self._touched.put(row.id, value=True)
        viewer = Viewer(
            user_id=row.user_id,
            workspace_id=row.workspace_id,
            workspace_role=cast("WorkspaceRole", role),
            platform_role=cast("Literal['USER', 'ADMIN']", platform_role),
            scopes=frozenset(row.scopes),
            token_id=row.id,
            expires_at=int(row.expires_at.timestamp()) if row.expires_at else None,
            unverified=self._settings.require_verified_email and not verified,
            unsecured=unsecured,
        )
        self._api_tokens.put(digest, viewer)
        return viewer

    def is_revoked(self, viewer: Viewer) -> bool:
        """Tell whether the credentials behind a viewer were revoked meanwhile."""
        return bool({viewer.session_id, viewer.token_id, viewer.user_id} & self._revoked)

    async def until_invalid(self, viewer: Viewer) -> str:
        """Wait until a viewer's credentials expire or are revoked, or their role changes; returns the reason."""
        reasons = {
            asyncio.create_task(self._until_revoked(viewer)): "Token revoked",
            asyncio.create_task(self._until_role_changes(viewer)): "Role changed",
        }
        left = None if viewer.expires_at is None else max(0.0, viewer.expires_at - time.time())
        try:
            done, _ = await asyncio.wait(reasons, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            return reasons[done.pop()] if done else "Token expired"
        finally:
            for task in reasons:
                task.cancel()

    async def _until_revoked(self, viewer: Viewer) -> None:
        async with self._revocation:
            await self._revocation.wait_for(lambda: self.is_revoked(viewer))

    async def _until_role_changes(self, viewer: Viewer) -> None:
        """Look at the membership now and then; all sockets of a person share the answer."""
        role: str | None = viewer.workspace_role
        while role == viewer.workspace_role:
            await asyncio.sleep(_ROLE_SECONDS)
            try:
                role = await self._role(viewer.user_id, viewer.workspace_id)
            except NotFound:
                return
            except ServiceUnavailable:
                continue  # nobody is thrown out because PostgreSQL restarts

    def forget_roles(self) -> None:
        """Drop remembered roles after memberships changed in this process."""
        self._roles.clear()

    async def _add(self, ids: set[UUID]) -> None:
        if not ids <= self._revoked:
            async with self._revocation:
                self._revoked |= ids
                self._revocation.notify_all()

    async def _listen(self) -> None:
        async with self._events.subscribe(REVOKED_CHANNEL) as messages:
            async for message in messages:
                with contextlib.suppress(KeyError, ValueError, TypeError):
                    await self._add({UUID(message["id"])})

    async def _poll(self) -> None:
        """Read what was revoked while any access token of then may live."""
        since = timedelta(seconds=self._settings.access_token_seconds + 60)
        while True:
            try:
                async with self._db.system() as session:
                    current = await repository.recently_revoked(session, since)
                self._revoked &= current  # what is older has expired by itself
                await self._add(current)
            except ServiceUnavailable:
                log.warning("revocations_unknown")
            except Exception as error:  # this loop must outlive every surprise
                log.error("revocation_poll_failed", exc_info=error)
            await asyncio.sleep(_POLL_SECONDS)


def _workspace_id(text: str) -> Any:
    value = parse_id(text.strip(), "Workspace")
    if value is None:
        raise NotFound("X-Workspace must hold the `id` of a workspace.", path=["X-Workspace"])
    return value
