"""GraphQL types of second factors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry

from graph.api.errors import ConflictError, ForbiddenError, InvalidInputError, NotFoundError
from graph.second_factor.service import State


@strawberry.type(description="The caller's second factor: codes of an authenticator app.")
class SecondFactor:
    """A second factor."""

    since: datetime | None = strawberry.field(description="Null while log-in needs the password alone.")
    recovery_codes_left: int

    @classmethod
    def of(cls, state: State | None) -> SecondFactor:
        """Make it of its state."""
        if state is None:
            return cls(since=None, recovery_codes_left=0)
        return cls(since=state.since, recovery_codes_left=state.recovery_codes_left)


@strawberry.input
class BeginSecondFactorInput:
    """Input of beginSecondFactor."""

    password: str


@strawberry.input
class ConfirmSecondFactorInput:
    """Input of confirmSecondFactor."""

    code: str = strawberry.field(description="Six digits that the app shows.")


@strawberry.input
class DisableSecondFactorInput:
    """Input of disableSecondFactor."""

    password: str
    code: str = strawberry.field(description="Six digits of the app, or a recovery code.")


@strawberry.input
class RenewRecoveryCodesInput:
    """Input of renewRecoveryCodes."""

    password: str
    code: str = strawberry.field(description="Six digits of the app, or a recovery code.")


@strawberry.input(description="Whose second factor to turn off.")
class ResetUserSecondFactorInput:
    """Input of resetUserSecondFactor."""

    id: strawberry.ID


@strawberry.type
class BeginSecondFactorSuccess:
    """Give the secret to an authenticator app, then `confirmSecondFactor` a code; it is shown this once."""

    secret: str = strawberry.field(description="In base32, for typing.")
    uri: str = strawberry.field(description="otpauth://…")
    qr: str = strawberry.field(description="The URI as a QR code: an SVG image in a data: URL.")


@strawberry.type
class ConfirmSecondFactorSuccess:
    """The second factor is on; all other sessions have ended. The codes are shown this once."""

    recovery_codes: list[str]


@strawberry.type
class DisableSecondFactorSuccess:
    """The password alone logs in again."""

    ok: bool = True


@strawberry.type
class RenewRecoveryCodesSuccess:
    """The codes of before are void; these are shown this once."""

    recovery_codes: list[str]


@strawberry.type
class ResetUserSecondFactorSuccess:
    """The password alone logs in again; all sessions of the account have ended."""

    id: strawberry.ID


BeginSecondFactorResult = Annotated[
    BeginSecondFactorSuccess | InvalidInputError | ConflictError | ForbiddenError,
    strawberry.union("BeginSecondFactorResult"),
]
ConfirmSecondFactorResult = Annotated[
    ConfirmSecondFactorSuccess | InvalidInputError | ConflictError | ForbiddenError,
    strawberry.union("ConfirmSecondFactorResult"),
]
DisableSecondFactorResult = Annotated[
    DisableSecondFactorSuccess | InvalidInputError | ConflictError | ForbiddenError,
    strawberry.union("DisableSecondFactorResult"),
]
RenewRecoveryCodesResult = Annotated[
    RenewRecoveryCodesSuccess | InvalidInputError | ConflictError | ForbiddenError,
    strawberry.union("RenewRecoveryCodesResult"),
]
ResetUserSecondFactorResult = Annotated[
    ResetUserSecondFactorSuccess | InvalidInputError | NotFoundError | ConflictError | ForbiddenError,
    strawberry.union("ResetUserSecondFactorResult"),
]
