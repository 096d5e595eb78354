"""GraphQL types of single sign-on."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.core.ids import to_global
from graph.models import Identity


@strawberry.type(description="An OpenID provider that people may sign in with.")
class SignInProvider:
    """The provider of OIDC_ISSUER."""

    name: str = strawberry.field(description="Continue with …")
    url: str = strawberry.field(description="Path to go to; `?next=/path` says where it leads in the end.")


@strawberry.type(description="How one signs in here.")
class SignInMethods:
    """For the page of the log-in."""

    password: bool = strawberry.field(description="Whether logIn and register take passwords.")
    provider: SignInProvider | None


@strawberry.type(description="Who the account is at an OpenID provider.")
class LinkedSignIn:
    """An identity of the caller's."""

    id: strawberry.ID
    issuer: str
    email: str | None = strawberry.field(description="What the provider said at the last sign-in.")
    created_at: datetime
    used_at: datetime | None

    @classmethod
    def of(cls, row: Identity) -> LinkedSignIn:
        """Return the type of a row."""
        return cls(
            id=strawberry.ID(to_global("LinkedSignIn", row.id)),
            issuer=row.issuer,
            email=row.email,
            created_at=row.created_at,
            used_at=row.used_at,
        )


@strawberry.input
class UnlinkSignInInput:
    """Input of unlinkSignIn."""

    id: strawberry.ID
    password: str = strawberry.field(description="Of the account: who has none could not get in any more.")


@strawberry.type(description="The browser has to go to `url`; it comes back to /account, linked or with a problem.")
class LinkSignInSuccess:
    """A link was begun."""

    url: str


@strawberry.type
class UnlinkSignInSuccess:
    """The provider opens the account no more."""

    ok: bool = True


LinkSignInResult = Annotated[
    LinkSignInSuccess | InvalidInputError | ConflictError | ForbiddenError, strawberry.union("LinkSignInResult")
]
UnlinkSignInResult = Annotated[
    UnlinkSignInSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("UnlinkSignInResult"),
]
