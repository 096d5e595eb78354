"""The refresh token's cookie: never readable by scripts, never sent from another site."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

if TYPE_CHECKING:
    from graph.context import Context


def cookie_name(*, secure: bool) -> str:
    """`__Host-` binds the cookie to this host and https; browsers refuse it on plain http."""
    return "__Host-karyaksham-refresh" if secure else "karyaksham-refresh"


def refresh_token(context: Context) -> str | None:
    """Return the refresh token that the browser sent."""
    return context.request.cookies.get(cookie_name(secure=context.settings.secure_cookies))


def set_refresh_token(context: Context, token: str | None) -> None:
    """Put the token into the cookie, or delete it; over a socket there is no answer to put it into."""
    if not isinstance(context.response, Response):
        return
    secure = context.settings.secure_cookies
    context.response.set_cookie(
        cookie_name(secure=secure),
        token or "",
        max_age=context.settings.session_days * 86400 if token else 0,
        path="/",
        secure=secure,
        httponly=True,
        samesite="strict",
    )
