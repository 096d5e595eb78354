"""What administrators see and do about accounts."""

from __future__ import annotations

from uuid import UUID

from graph.admin import repository
from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import Conflict, NotFound
from graph.core.events import REVOKED_CHANNEL, Events
from graph.core.pagination import Page
from graph.core.viewer import Viewer
from graph.models import User
from graph.second_factor.repository import with_second_factor
from graph.users.repository import revoke_sessions_of


class AdministratorUsers:
    """For callers who were found to be administrators."""

    def __init__(self, db: Database, events: Events) -> None:
        self._db = db
        self._events = events

    async def page(self, first: int, after: str | None, search: str | None) -> tuple[Page[User], set[UUID]]:
        """Return one page of the accounts, newest first, and the ids of those with a second factor."""
        async with self._db.system() as session:
            page = await repository.user_page(session, first, after, search)
            return page, await with_second_factor(session, [row.id for row in page.rows])

    async def set_disabled(self, viewer: Viewer, user_id: UUID, *, disabled: bool) -> tuple[User, bool]:
        """Disable an account, which ends its sessions and holds its API tokens back, or enable it again.

        Its data stays, and its jobs run on. Tells whether it has a second factor, too.
        Raises `NotFound`, and `Conflict` (SELF_DISABLED) for the caller's own.
        """
        if disabled and user_id == viewer.user_id:
            raise Conflict("You cannot disable your own account.", code="SELF_DISABLED", path=["id"])
        async with self._db.system() as session:
            user = await repository.set_disabled(session, user_id, disabled)
            second_factor = bool(await with_second_factor(session, [user_id]))
            if user is None:
                raise NotFound.of("account")
            ended = await revoke_sessions_of(session, user_id, "account disabled") if disabled else []
            await record(
                session,
                "user.disable" if disabled else "user.enable",
                actor_id=viewer.user_id,
                workspace_id=None,
                object_type="User",
                object_id=user_id,
                data={"sessions": len(ended)},
            )
        if disabled:
            await self._events.publish(REVOKED_CHANNEL, {"id": str(user_id)})
        for each in ended:
            await self._events.publish(REVOKED_CHANNEL, {"id": str(each)})
        return user, second_factor
