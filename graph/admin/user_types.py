"""GraphQL types of what administrators see and do about accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.core.ids import to_global
from graph.models import User as UserRow
from graph.users.types import PlatformRole


@strawberry.type(description="An account as administrators see it.")
class AdminUser:
    """An account."""

    id: strawberry.ID
    email: str
    name: str
    role: PlatformRole
    created_at: datetime
    disabled_at: datetime | None = strawberry.field(description="Since when nobody can log in with it.")
    second_factor: bool = strawberry.field(description="Whether log-in needs a code too.")

    @classmethod
    def of(cls, row: UserRow, second_factor: bool) -> AdminUser:
        """Make it of a row."""
        return cls(
            id=strawberry.ID(to_global("User", row.id)),
            email=row.email,
            name=row.name,
            role=PlatformRole(row.role),
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            second_factor=second_factor,
        )


@strawberry.input(description="Which account to disable or to enable again.")
class SetUserDisabledInput:
    """Input of setUserDisabled."""

    id: strawberry.ID
    disabled: bool


@strawberry.type
class SetUserDisabledSuccess:
    """Disabled: its sessions have ended, its API tokens are refused. Enabled: its tokens work again."""

    user: AdminUser


SetUserDisabledResult = Annotated[
    SetUserDisabledSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("SetUserDisabledResult"),
]
