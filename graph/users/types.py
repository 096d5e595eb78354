"""GraphQL types of accounts."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ErrorInterface, ForbiddenError, InvalidInputError, NotFoundError, answer_as
from graph.api.fields import field
from graph.api.node import Node
from graph.context import Info
from graph.core.ids import to_global
from graph.models import ApiToken as ApiTokenRow
from graph.models import User as UserRow
from graph.second_factor.service import SecondFactorNeeded as Needed
from graph.users.oidc_types import LinkedSignIn
from graph.workspaces.service import workspaces_of
from graph.workspaces.types import Workspace


@strawberry.enum(description="Role on the platform.")
class PlatformRole(Enum):
    """Platform roles."""

    USER = "USER"
    ADMIN = "ADMIN"


@strawberry.enum(description="What an API token may do: READ looks, WRITE changes.")
class TokenScope(Enum):
    """Scopes of API tokens."""

    READ = "read"
    WRITE = "write"


@strawberry.type(description="A token for programs. Its text is shown once, when it is made.")
class ApiToken(Node):
    """An API token without its secret."""

    name: str
    prefix: str = strawberry.field(description="First characters, to recognise it by.")
    scopes: list[TokenScope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @classmethod
    def of(cls, row: ApiTokenRow) -> ApiToken:
        """Return the type of a row."""
        return cls(
            id=strawberry.ID(to_global("ApiToken", row.id)),
            name=row.name,
            prefix=row.prefix,
            scopes=[TokenScope(scope) for scope in row.scopes],
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )


@strawberry.type(description="An account, as its owner sees it.")
class User(Node):
    """The caller's own account."""

    row: strawberry.Private[UserRow]
    email: str
    email_verified: bool
    name: str
    role: PlatformRole
    created_at: datetime

    @classmethod
    def of(cls, row: UserRow) -> User:
        """Return the type of a row."""
        return cls(
            row=row,
            id=strawberry.ID(to_global("User", row.id)),
            email=row.email,
            email_verified=row.email_verified_at is not None,
            name=row.name,
            role=PlatformRole(row.role),
            created_at=row.created_at,
        )

    @field(description="Workspaces the account is a member of, the personal one first.")
    async def workspaces(self, info: Info) -> list[Workspace]:
        """Load them."""
        return [Workspace.of(*each) for each in await workspaces_of(info.context.db, self.row.id)]

    @field(description="API tokens of the account that were not revoked, newest first.")
    async def api_tokens(self, info: Info) -> list[ApiToken]:
        """Load them."""
        viewer = info.context.viewer
        if viewer is None or viewer.user_id != self.row.id:
            return []
        return [ApiToken.of(row) for row in await info.context.services.accounts.api_tokens(viewer)]

    @field(description="Who the account is at the OpenID provider, where there is single sign-on; oldest first.")
    async def linked_sign_ins(self, info: Info) -> list[LinkedSignIn]:
        """Load them."""
        viewer, sign_on = info.context.viewer, info.context.services.sign_on
        if viewer is None or viewer.user_id != self.row.id or sign_on is None:
            return []
        return [LinkedSignIn.of(row) for row in await sign_on.links(viewer.user_id)]


@strawberry.input(description="A new account with a personal workspace.")
class RegisterInput:
    """Input of register."""

    email: str
    password: str = strawberry.field(description="12 to 256 characters.")
    name: str


@strawberry.input
class LogInInput:
    """Input of logIn."""

    email: str
    password: str


@strawberry.input(description="The second half of a log-in.")
class ConfirmLogInInput:
    """Input of confirmLogIn."""

    challenge: str
    code: str = strawberry.field(description="Six digits of the app, or a recovery code.")


@strawberry.type(description="The password was right; `confirmLogIn` takes the challenge and a code within 5 minutes.")
class SecondFactorNeeded(ErrorInterface):
    """`SecondFactorNeeded` of the service."""

    challenge: str


@strawberry.type(
    description="The session is open, but does nothing until a second factor, which is demanded here, is set up: "
    "`beginSecondFactor`, `confirmSecondFactor`. The refresh token is set as a cookie."
)
class SecondFactorSetUpNeeded(ErrorInterface):
    """What a log-in, registration or refresh gives instead of its success."""

    access_token: str
    expires_at: datetime
    email: str


answer_as(
    Needed,
    lambda error: SecondFactorNeeded(
        code=error.code, message=error.message, path=error.path, challenge=error.challenge
    ),
)


@strawberry.input(description="A token of the active workspace.")
class CreateApiTokenInput:
    """Input of createApiToken."""

    name: str
    scopes: list[TokenScope]
    expires_at: datetime | None = strawberry.field(
        default=None, description="Without it the token lives until revoked; at most 366 days ahead."
    )


@strawberry.input
class RevokeApiTokenInput:
    """Input of revokeApiToken."""

    id: strawberry.ID


@strawberry.type(description="What register, logIn and refreshSession give; the refresh token goes into a cookie.")
class _Opened:
    """An open session."""

    access_token: str
    expires_at: datetime
    user: User


@strawberry.type
class RegisterSuccess(_Opened):
    """The account was made and logged in."""


@strawberry.type
class LogInSuccess(_Opened):
    """Logged in."""


@strawberry.type
class ConfirmLogInSuccess(_Opened):
    """Logged in."""


@strawberry.type
class RefreshSessionSuccess(_Opened):
    """The session goes on."""


@strawberry.type
class LogOutSuccess:
    """The session has ended."""

    ok: bool = True
    provider_url: str | None = strawberry.field(
        default=None, description="Page of the provider that ends its session too, if this one began there."
    )


@strawberry.type
class LogOutEverywhereSuccess:
    """All sessions of the account have ended."""

    sessions: int = strawberry.field(description="How many had not ended before, this one included.")


@strawberry.type
class CreateApiTokenSuccess:
    """The token was made; `token` is shown this once."""

    token: str
    api_token: ApiToken


@strawberry.type
class RevokeApiTokenSuccess:
    """The token is void from now on."""

    api_token: ApiToken


RegisterResult = Annotated[
    RegisterSuccess | SecondFactorSetUpNeeded | InvalidInputError | ForbiddenError,
    strawberry.union("RegisterResult"),
]
LogInResult = Annotated[
    LogInSuccess | SecondFactorNeeded | SecondFactorSetUpNeeded | InvalidInputError, strawberry.union("LogInResult")
]
ConfirmLogInResult = Annotated[
    ConfirmLogInSuccess | SecondFactorSetUpNeeded | InvalidInputError, strawberry.union("ConfirmLogInResult")
]
RefreshSessionResult = Annotated[
    RefreshSessionSuccess | SecondFactorSetUpNeeded | ForbiddenError, strawberry.union("RefreshSessionResult")
]
LogOutResult = Annotated[LogOutSuccess | ForbiddenError, strawberry.union("LogOutResult")]
LogOutEverywhereResult = Annotated[LogOutEverywhereSuccess | ForbiddenError, strawberry.union("LogOutEverywhereResult")]
CreateApiTokenResult = Annotated[
    CreateApiTokenSuccess | InvalidInputError | ConflictError | ForbiddenError,
    strawberry.union("CreateApiTokenResult"),
]
RevokeApiTokenResult = Annotated[
    RevokeApiTokenSuccess | InvalidInputError | NotFoundError | ForbiddenError,
    strawberry.union("RevokeApiTokenResult"),
]
