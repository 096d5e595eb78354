"""Root fields and types of what people say of themselves."""

from __future__ import annotations

from typing import Annotated

import strawberry

from graph.api.errors import ForbiddenError, InvalidInputError
from graph.api.fields import mutation
from graph.api.permissions import IsPerson
from graph.context import Info
from graph.users.profile import rename
from graph.users.types import User


@strawberry.input
class UpdateProfileInput:
    """Input of updateProfile."""

    name: str


@strawberry.type
class UpdateProfileSuccess:
    """The account as it is now."""

    user: User


UpdateProfileResult = Annotated[
    UpdateProfileSuccess | InvalidInputError | ForbiddenError, strawberry.union("UpdateProfileResult")
]


@strawberry.type
class ProfileMutation:
    """Changing the profile."""

    @mutation(IsPerson, description="Give yourself another name; others of your workspaces see it.")
    async def update_profile(self, info: Info, input: UpdateProfileInput) -> UpdateProfileResult:
        """Rename."""
        user = await rename(info.context.db, info.context.require_viewer(), input.name)
        return UpdateProfileSuccess(user=User.of(user))
