"""Root fields of accounts."""

from __future__ import annotations

from typing import TypeVar
from uuid import UUID

import strawberry

from graph.api.fields import mutation, query
from graph.api.permissions import IsPerson, IsPersonSettingUp, Public
from graph.context import Context, Info
from graph.core.errors import InvalidInput, NotAuthenticated
from graph.core.ids import from_global
from graph.core.viewer import SET_UP_CODE, SET_UP_MESSAGE
from graph.users.cookies import refresh_token, set_refresh_token
from graph.users.service import LogIn
from graph.users.types import (
    ApiToken,
    ConfirmLogInInput,
    ConfirmLogInResult,
    ConfirmLogInSuccess,
    CreateApiTokenInput,
    CreateApiTokenResult,
    CreateApiTokenSuccess,
    LogInInput,
    LogInResult,
    LogInSuccess,
    LogOutEverywhereResult,
    LogOutEverywhereSuccess,
    LogOutResult,
    LogOutSuccess,
    RefreshSessionResult,
    RefreshSessionSuccess,
    RegisterInput,
    RegisterResult,
    RegisterSuccess,
    RevokeApiTokenInput,
    RevokeApiTokenResult,
    RevokeApiTokenSuccess,
    SecondFactorSetUpNeeded,
    User,
)

S = TypeVar("S", RegisterSuccess, LogInSuccess, ConfirmLogInSuccess, RefreshSessionSuccess)


async def load_user(info: Info, user_id: UUID) -> User | None:
    """Return the caller's own account, for `node`; nobody sees another's."""
    if info.context.require_viewer().user_id != user_id:
        return None
    return User.of(await info.context.services.accounts.user(user_id))


async def load_api_token(info: Info, token_id: UUID) -> ApiToken | None:
    """Return one of the caller's own tokens, for `node`."""
    rows = await info.context.services.accounts.api_tokens(info.context.require_viewer())
    return next((ApiToken.of(row) for row in rows if row.id == token_id), None)


def _client(context: Context) -> tuple[str, str | None]:
    if context.response is context.request:
        raise InvalidInput("Log in by POST /graphql: a socket cannot set the cookie.", code="SOCKET_UNSUITABLE")
    return context.address, context.request.headers.get("user-agent")


def _open(context: Context, result: LogIn, success: type[S]) -> S | SecondFactorSetUpNeeded:
    set_refresh_token(context, result.refresh_token)
    if result.unsecured:
        return SecondFactorSetUpNeeded(
            code=SET_UP_CODE,
            message=SET_UP_MESSAGE,
            path=[],
            access_token=result.access_token,
            expires_at=result.expires_at,
            email=result.user.email,
        )
    return success(access_token=result.access_token, expires_at=result.expires_at, user=User.of(result.user))


@strawberry.type
class UsersQuery:
    """Who am I."""

    @query(Public, description="The caller's account; null without credentials.")
    async def me(self, info: Info) -> User | None:
        """Load it."""
        context = info.context
        if context.viewer is None and context.auth_error is None:
            return None
        return User.of(await context.services.accounts.user(context.require_viewer().user_id))


@strawberry.type
class UsersMutation:
    """Registration, sessions, API tokens."""

    @mutation(Public, description="Make an account with a personal workspace, and log in.")
    async def register(self, info: Info, input: RegisterInput) -> RegisterResult:
        """Register."""
        context = info.context
        result = await context.services.accounts.register(input.email, input.password, input.name, _client(context))
        return _open(context, result, RegisterSuccess)

    @mutation(Public, description="Log in; the refresh token is set as a cookie, whose session of before ends.")
    async def log_in(self, info: Info, input: LogInInput) -> LogInResult:
        """Log in."""
        context = info.context
        accounts = context.services.accounts
        result = await accounts.log_in(input.email, input.password, _client(context))
        await accounts.log_out(refresh_token(context), None)
        return _open(context, result, LogInSuccess)

    @mutation(Public, description="Complete a log-in that needs a code too; the cookie changes as by `logIn`.")
    async def confirm_log_in(self, info: Info, input: ConfirmLogInInput) -> ConfirmLogInResult:
        """Log in."""
        context = info.context
        client = _client(context)
        accounts = context.services.accounts
        user = await context.services.second_factors.answer(input.challenge, input.code, client[0])
        result = await accounts.open_session(user, client, factors=["password", "code"])
        await accounts.log_out(refresh_token(context), None)
        return _open(context, result, ConfirmLogInSuccess)

    @mutation(Public, description="Get a new access token for the session of the cookie, and a new cookie.")
    async def refresh_session(self, info: Info) -> RefreshSessionResult:
        """Refresh."""
        context = info.context
        sent = refresh_token(context)
        try:
            result = await context.services.accounts.refresh(sent)
        except NotAuthenticated as error:
            if sent:
                context.services.refusals.note("token.refused", error.code, data={"reason": "refresh token"})
            set_refresh_token(context, None)
            raise
        return _open(context, result, RefreshSessionSuccess)

    @mutation(Public, description="End the session; its access token and sockets end with it.")
    async def log_out(self, info: Info) -> LogOutResult:
        """Log out."""
        context = info.context
        issuer = await context.services.accounts.log_out(refresh_token(context), context.viewer)
        set_refresh_token(context, None)
        sign_on = context.services.sign_on
        if issuer is None or sign_on is None or sign_on.provider.issuer != issuer:
            return LogOutSuccess()
        return LogOutSuccess(provider_url=await sign_on.log_out_url())

    @mutation(
        IsPersonSettingUp,
        description="End all sessions of the account, on every computer, this one too. API tokens stay: revoke those.",
    )
    async def log_out_everywhere(self, info: Info) -> LogOutEverywhereResult:
        """Log out everywhere."""
        context = info.context
        sessions = await context.services.accounts.log_out_everywhere(context.require_viewer(setting_up=True))
        set_refresh_token(context, None)
        return LogOutEverywhereSuccess(sessions=sessions)

    @mutation(IsPerson, description="Make an API token for the active workspace.")
    async def create_api_token(self, info: Info, input: CreateApiTokenInput) -> CreateApiTokenResult:
        """Make it."""
        context = info.context
        row, secret = await context.services.accounts.create_api_token(
            context.require_viewer(), input.name, [scope.value for scope in input.scopes], input.expires_at
        )
        return CreateApiTokenSuccess(token=secret, api_token=ApiToken.of(row))

    @mutation(IsPerson, description="Make an API token void.")
    async def revoke_api_token(self, info: Info, input: RevokeApiTokenInput) -> RevokeApiTokenResult:
        """Revoke it."""
        context = info.context
        token_id = from_global(input.id, "ApiToken")
        row = await context.services.accounts.revoke_api_token(context.require_viewer(), token_id)
        return RevokeApiTokenSuccess(api_token=ApiToken.of(row))
