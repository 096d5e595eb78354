"""Root fields of verification and of new passwords."""

from __future__ import annotations

import strawberry

from graph.api.fields import mutation
from graph.api.permissions import IsPerson, Public
from graph.context import Info
from graph.recovery.service import Recovery
from graph.recovery.types import (
    ChangePasswordInput,
    ChangePasswordResult,
    ChangePasswordSuccess,
    RequestEmailVerificationResult,
    RequestEmailVerificationSuccess,
    RequestPasswordResetInput,
    RequestPasswordResetResult,
    RequestPasswordResetSuccess,
    ResetPasswordInput,
    ResetPasswordResult,
    ResetPasswordSuccess,
    VerifyEmailInput,
    VerifyEmailResult,
    VerifyEmailSuccess,
)


def _recovery(info: Info) -> Recovery:
    services = info.context.services
    return Recovery(services.db, services.events, services.limiter)


@strawberry.type
class RecoveryMutation:
    """What is done by links in mails."""

    @mutation(
        Public,
        description="Have a link mailed to choose a new password by. The answer is the same for addresses without an "
        "account.",
    )
    async def request_password_reset(self, info: Info, input: RequestPasswordResetInput) -> RequestPasswordResetResult:
        """Ask."""
        await _recovery(info).request_reset(input.email, info.context.address)
        return RequestPasswordResetSuccess()

    @mutation(Public, description="Choose a new password by a link; ends all sessions of the account.")
    async def reset_password(self, info: Info, input: ResetPasswordInput) -> ResetPasswordResult:
        """Set it."""
        await _recovery(info).reset(input.token, input.password, info.context.address)
        return ResetPasswordSuccess()

    @mutation(IsPerson, description="Choose a new password by the current one; ends all other sessions.")
    async def change_password(self, info: Info, input: ChangePasswordInput) -> ChangePasswordResult:
        """Change it."""
        context = info.context
        viewer = context.require_viewer()
        await _recovery(info).change(viewer, input.password, input.new_password, context.address)
        return ChangePasswordSuccess()

    @mutation(IsPerson, description="Have the link mailed (again) that verifies the account's e-mail address.")
    async def request_email_verification(self, info: Info) -> RequestEmailVerificationResult:
        """Ask."""
        context = info.context
        email = await _recovery(info).request_verification(context.require_viewer(), context.address)
        return RequestEmailVerificationSuccess(email=email)

    @mutation(Public, description="Verify an e-mail address by a link.")
    async def verify_email(self, info: Info, input: VerifyEmailInput) -> VerifyEmailResult:
        """Verify."""
        return VerifyEmailSuccess(email=await _recovery(info).verify(input.token, info.context.address))
