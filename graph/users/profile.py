"""What people say of themselves: their name."""

from __future__ import annotations

from graph.core.audit import record
from graph.core.db import Database
from graph.core.errors import NotAuthenticated
from graph.core.viewer import Viewer
from graph.models import User
from graph.users import repository
from graph.users.names import clean_name


async def rename(db: Database, viewer: Viewer, name: str) -> User:
    """Give the caller another name, and the personal workspace too, unless that is called something else by now.

    Raises `InvalidInput` (NAME_INVALID).
    """
    name = clean_name(name)
    async with db.system() as session:
        user = await repository.user_by_id(session, viewer.user_id)
        if user is None:
            raise NotAuthenticated
        workspace = await repository.personal_workspace(session, user.id)
        if workspace.name == user.name:
            workspace.name = name
        before, user.name = user.name, name
        await record(
            session,
            "user.rename",
            actor_id=user.id,
            workspace_id=None,
            object_type="User",
            object_id=user.id,
            data={"before": before, "after": name},
        )
    return user
