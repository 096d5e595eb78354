"""Root fields of second factors."""

from __future__ import annotations

import segno
import strawberry

from graph.api.fields import mutation, query
from graph.api.permissions import IsAdministrator, IsPerson, IsPersonSettingUp
from graph.context import Info
from graph.core.ids import from_global
from graph.second_factor import totp
from graph.second_factor.types import (
    BeginSecondFactorInput,
    BeginSecondFactorResult,
    BeginSecondFactorSuccess,
    ConfirmSecondFactorInput,
    ConfirmSecondFactorResult,
    ConfirmSecondFactorSuccess,
    DisableSecondFactorInput,
    DisableSecondFactorResult,
    DisableSecondFactorSuccess,
    RenewRecoveryCodesInput,
    RenewRecoveryCodesResult,
    RenewRecoveryCodesSuccess,
    ResetUserSecondFactorInput,
    ResetUserSecondFactorResult,
    ResetUserSecondFactorSuccess,
    SecondFactor,
)


@strawberry.type
class SecondFactorQuery:
    """How it stands."""

    @query(IsPersonSettingUp, description="Whether log-in needs a code too.")
    async def second_factor(self, info: Info) -> SecondFactor:
        """Look."""
        viewer = info.context.require_viewer(setting_up=True)
        return SecondFactor.of(await info.context.services.second_factors.state(viewer.user_id))


@strawberry.type
class SecondFactorMutation:
    """Set up, turn off."""

    @mutation(
        IsPersonSettingUp, description="Make a secret for an authenticator app; `confirmSecondFactor` turns it on."
    )
    async def begin_second_factor(self, info: Info, input: BeginSecondFactorInput) -> BeginSecondFactorResult:
        """Begin."""
        context = info.context
        viewer = context.require_viewer(setting_up=True)
        secret = await context.services.second_factors.begin(viewer, input.password, context.address)
        uri = totp.uri(secret, (await context.services.accounts.user(viewer.user_id)).email)
        qr = segno.make(uri, error="m", micro=False).svg_data_uri(scale=4, light="white")
        return BeginSecondFactorSuccess(secret=totp.as_text(secret), uri=uri, qr=qr)

    @mutation(IsPersonSettingUp, description="Turn the second factor on by a first code; ends all other sessions.")
    async def confirm_second_factor(self, info: Info, input: ConfirmSecondFactorInput) -> ConfirmSecondFactorResult:
        """Confirm."""
        context = info.context
        factors = context.services.second_factors
        codes = await factors.confirm(context.require_viewer(setting_up=True), input.code, context.address)
        return ConfirmSecondFactorSuccess(recovery_codes=codes)

    @mutation(IsPerson, description="Turn the second factor off.")
    async def disable_second_factor(self, info: Info, input: DisableSecondFactorInput) -> DisableSecondFactorResult:
        """Turn it off."""
        context = info.context
        factors = context.services.second_factors
        await factors.disable(context.require_viewer(), input.password, input.code, context.address)
        return DisableSecondFactorSuccess()

    @mutation(IsPerson, description="Make new recovery codes.")
    async def renew_recovery_codes(self, info: Info, input: RenewRecoveryCodesInput) -> RenewRecoveryCodesResult:
        """Renew."""
        context = info.context
        factors = context.services.second_factors
        codes = await factors.renew_codes(context.require_viewer(), input.password, input.code, context.address)
        return RenewRecoveryCodesSuccess(recovery_codes=codes)

    @mutation(
        IsAdministrator,
        description="Turn off the second factor of somebody who lost it, and end their sessions. Administrators only.",
    )
    async def reset_user_second_factor(
        self, info: Info, input: ResetUserSecondFactorInput
    ) -> ResetUserSecondFactorResult:
        """Reset."""
        context = info.context
        await context.services.second_factors.reset(context.require_viewer(), from_global(input.id, "User"))
        return ResetUserSecondFactorSuccess(id=input.id)
