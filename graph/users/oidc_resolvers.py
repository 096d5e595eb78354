"""Root fields of single sign-on."""

from __future__ import annotations

import strawberry
from starlette.responses import Response

from graph.api.fields import mutation, query
from graph.api.permissions import IsPerson, Public
from graph.context import Context, Info
from graph.core.errors import Conflict, InvalidInput
from graph.core.ids import from_global
from graph.users.oidc import SingleSignOn
from graph.users.oidc_routes import set_begun
from graph.users.oidc_state import Begun
from graph.users.oidc_types import (
    LinkSignInResult,
    LinkSignInSuccess,
    SignInMethods,
    SignInProvider,
    UnlinkSignInInput,
    UnlinkSignInResult,
    UnlinkSignInSuccess,
)


def _sign_on(context: Context) -> SingleSignOn:
    if context.services.sign_on is None:
        raise Conflict("There is no single sign-on here: OIDC_ISSUER is not set.", code="OIDC_OFF")
    return context.services.sign_on


@strawberry.type
class OidcQuery:
    """What the page of the log-in offers."""

    @query(Public, description="How one signs in here.")
    async def sign_in_methods(self, info: Info) -> SignInMethods:
        """Read the settings."""
        settings = info.context.settings
        provider = SignInProvider(name=settings.oidc_name, url="/auth/oidc/start") if settings.oidc_issuer else None
        return SignInMethods(password=settings.takes_passwords, provider=provider)


@strawberry.type
class OidcMutation:
    """Linking an account with a provider, by its owner."""

    @mutation(IsPerson, description="Begin to link the account with the provider; this browser has to go to `url`.")
    async def link_sign_in(self, info: Info) -> LinkSignInResult:
        """Begin."""
        context = info.context
        sign_on, viewer = _sign_on(context), context.require_viewer()
        if not isinstance(context.response, Response) or viewer.session_id is None:
            raise InvalidInput("Link by POST /graphql: a socket cannot set the cookie.", code="SOCKET_UNSUITABLE")
        begun = Begun.new("/account", (viewer.user_id, viewer.session_id))
        url = await sign_on.begin(begun)
        set_begun(context.services, context.response, begun)
        return LinkSignInSuccess(url=url)

    @mutation(IsPerson, description="Unlink the account from a provider; sessions that began there end.")
    async def unlink_sign_in(self, info: Info, input: UnlinkSignInInput) -> UnlinkSignInResult:
        """Unlink."""
        context = info.context
        sign_on, viewer = _sign_on(context), context.require_viewer()
        identity_id = from_global(input.id, "LinkedSignIn")
        await sign_on.unlink(viewer, identity_id, input.password, context.address)
        return UnlinkSignInSuccess()
