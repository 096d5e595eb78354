"""Where browsers go for single sign-on: `GET /auth/oidc/start?next=/path`, and back at `GET /auth/oidc/callback`.

Both end in a redirect: to the provider, to where the person wanted to go, or to the page that tells in words what went
wrong (`?problem=CODE`). The refresh cookie is SameSite=Strict and set by the callback all the same: a browser takes
such a cookie from any top-level navigation. It does not send it with the navigation that follows, which came from the
provider's site, and need not: what opens there is the web application, which asks for its access token from our own
site.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from graph.context import Context, Services
from graph.core.errors import NotFound, TopLevelError
from graph.users.cookies import set_refresh_token
from graph.users.oidc import CALLBACK, SingleSignOn
from graph.users.oidc_state import LIFE_SECONDS, Begun, safe_place, seal, unseal

_TEXT_MAX: Final = 4096
_ACCOUNT: Final = "/account"


def cookie_name(*, secure: bool) -> str:
    """Name of the cookie that holds a sign-in under way; see `graph.users.cookies`."""
    return "__Host-karyaksham-oidc" if secure else "karyaksham-oidc"


def set_begun(services: Services, response: Response, begun: Begun | None) -> None:
    """Put a sign-in under way into the cookie, or delete it."""
    secure = services.settings.secure_cookies
    response.set_cookie(
        cookie_name(secure=secure),
        seal(begun, services.keys) if begun else "",
        max_age=LIFE_SECONDS if begun else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


def _service(request: Request) -> tuple[Services, SingleSignOn]:
    services: Services = request.app.state.services
    if services.sign_on is None:
        raise NotFound("There is no single sign-on here: OIDC_ISSUER is not set.", code="OIDC_OFF")
    return services, services.sign_on


def _to(place: str, **query: str) -> Response:
    """Redirect; no cache and no other site learns what the URL held."""
    location = f"{place}?{urlencode(query)}" if query else place
    return RedirectResponse(location, 303, {"cache-control": "no-store", "referrer-policy": "no-referrer"})


def _problem(error: TopLevelError, begun: Begun | None, place: str) -> Response:
    if begun is not None and begun.to_link:
        return _to(_ACCOUNT, problem=error.code)
    return _to("/sign-in", problem=error.code, **({} if place == "/" else {"next": place}))


async def start(request: Request) -> Response:
    """Send the browser to the provider."""
    services, sign_on = _service(request)
    begun = Begun.new(safe_place(request.query_params.get("next")))
    if request.headers.get("sec-fetch-site") == "cross-site":
        # a page elsewhere opens no session here: who wants one presses the button
        return _to("/sign-in", **({} if begun.place == "/" else {"next": begun.place}))
    try:
        response = _to(await sign_on.begin(begun))
    except TopLevelError as error:
        return _problem(error, None, begun.place)
    set_begun(services, response, begun)
    return response


async def callback(request: Request) -> Response:
    """Take the provider's answer. The cookie ends with it, whatever came of it."""
    services, sign_on = _service(request)
    begun = unseal(request.cookies.get(cookie_name(secure=services.settings.secure_cookies)), services.keys)
    sent = request.query_params.multi_items()
    # parameters that come twice (RFC 6749, 3.1) are no answer of a provider
    answer = {name: value[:_TEXT_MAX] for name, value in sent} if len(sent) == len(request.query_params) else {}
    client = (request.client.host if request.client else "unknown", request.headers.get("user-agent"))
    try:
        opened = await sign_on.finish(begun, answer, client)
    except TopLevelError as error:
        response = _problem(error, begun, begun.place if begun else "/")
    else:
        response = _to(begun.place if begun else "/")
        if opened is not None:
            set_refresh_token(Context(services, request, response), opened.refresh_token)
    set_begun(services, response, None)
    return response


def routes() -> list[BaseRoute]:
    """The two routes."""
    return [Route("/auth/oidc/start", start, methods=["GET"]), Route(CALLBACK, callback, methods=["GET"])]
