"""GraphQL types of verification and of new passwords."""

from __future__ import annotations

from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError


@strawberry.input
class RequestPasswordResetInput:
    """Input of requestPasswordReset."""

    email: str


@strawberry.input(description="A new password, by the token that stands behind the # of the link in the mail.")
class ResetPasswordInput:
    """Input of resetPassword."""

    token: str
    password: str = strawberry.field(description="12 to 256 characters.")


@strawberry.input
class ChangePasswordInput:
    """Input of changePassword."""

    password: str = strawberry.field(description="The current one.")
    new_password: str = strawberry.field(description="12 to 256 characters.")


@strawberry.input(description="The token that stands behind the # of the link in the mail.")
class VerifyEmailInput:
    """Input of verifyEmail."""

    token: str


@strawberry.type
class RequestPasswordResetSuccess:
    """If the address has an account, a link is on its way to it."""

    ok: bool = True


@strawberry.type
class ResetPasswordSuccess:
    """The new password holds; all sessions have ended. API tokens stay."""

    ok: bool = True


@strawberry.type
class ChangePasswordSuccess:
    """The new password holds; all other sessions have ended. API tokens stay."""

    ok: bool = True


@strawberry.type
class RequestEmailVerificationSuccess:
    """A link is on its way."""

    email: str


@strawberry.type
class VerifyEmailSuccess:
    """The address is verified."""

    email: str


RequestPasswordResetResult = Annotated[
    RequestPasswordResetSuccess | InvalidInputError, strawberry.union("RequestPasswordResetResult")
]
ResetPasswordResult = Annotated[ResetPasswordSuccess | InvalidInputError, strawberry.union("ResetPasswordResult")]
ChangePasswordResult = Annotated[
    ChangePasswordSuccess | InvalidInputError | ForbiddenError, strawberry.union("ChangePasswordResult")
]
RequestEmailVerificationResult = Annotated[
    RequestEmailVerificationSuccess | ConflictError | ForbiddenError, strawberry.union("RequestEmailVerificationResult")
]
VerifyEmailResult = Annotated[VerifyEmailSuccess | InvalidInputError, strawberry.union("VerifyEmailResult")]
