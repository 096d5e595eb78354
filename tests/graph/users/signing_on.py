"""The API with single sign-on by a real provider, and a person with a browser at both."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import SecretStr
from starlette.applications import Starlette

from graph.app import create_app
from graph.context import Services
from graph.core.settings import Settings
from tests.graph.users.asking import REFRESH, Browser
from tests.oidc_provider import OidcProvider, Visitor

PUBLIC_URL = "http://testserver"
METHODS = "{ signInMethods { password provider { name url } } }"
LINKS = "{ me { linkedSignIns { id issuer email createdAt usedAt } } }"
LINK = "mutation { linkSignIn { __typename ... on LinkSignInSuccess { url } ... on Error { code message } } }"
UNLINK = """mutation ($input: UnlinkSignInInput!) { unlinkSignIn(input: $input) {
  __typename ... on UnlinkSignInSuccess { ok } ... on Error { code message path } } }"""
LOG_OUT = "mutation { logOut { __typename ... on LogOutSuccess { providerUrl } } }"


@asynccontextmanager
async def signing_on(settings: Settings, provider: OidcProvider, **changes: Any) -> AsyncIterator[Starlette]:
    """The API with these settings changed."""
    oidc = {
        "public_url": PUBLIC_URL,
        "login_rate_limit_address": 1_000_000,
        "oidc_issuer": provider.issuer,
        "oidc_client_id": "karyaksham",
        "oidc_client_secret": SecretStr(provider.secret),
    }
    values = settings.model_dump() | oidc | changes
    app = create_app(Settings.model_validate(values))
    services: Services = app.state.services
    try:
        yield app
    finally:
        assert services.sign_on is not None
        await services.sign_on.provider.close()
        await services.storage.close()
        await services.queue.close()
        await services.events.close()
        await services.db.close()


def login() -> str:
    """A name that nobody has yet."""
    return f"p{secrets.token_hex(6)}"


class Person(Browser):
    """A browser at the API, with its cookies at the provider too."""

    def __init__(self, app: Starlette, name: str | None = None, base_url: str = PUBLIC_URL) -> None:
        super().__init__(app, base_url)
        self.name = name or login()
        self.visitor = Visitor()
        self.base_url = base_url

    @property
    def email(self) -> str:
        """What the provider says."""
        return f"{self.name}@example.org"

    async def start(self, place: str | None = None) -> str:
        """Press the button; returns the provider's page."""
        answer = await self.http.get("/auth/oidc/start", params={"next": place} if place else None)
        assert answer.status_code == 303, answer.text
        return answer.headers["location"]

    async def authorize(self, url: str) -> str:
        """Log in at the provider, agree; returns the URL that leads back."""
        return await self.visitor.sign_in(url, self.name, until=self.base_url)

    async def back(self, url: str) -> httpx.Response:
        """Follow the provider's redirect."""
        self.last = await self.http.get(url)
        assert self.last.status_code == 303, self.last.text
        return self.last

    async def sign_on(self, place: str | None = None) -> str:
        """All of it; returns where it led."""
        return (await self.back(await self.authorize(await self.start(place)))).headers["location"]

    async def opened(self) -> Any:
        """What the web application does next: ask for an access token, with the cookie alone."""
        return await self.ask(REFRESH)

    async def enter(self) -> Any:
        """Sign in, and return the session."""
        assert await self.sign_on() == "/"
        return await self.opened()


def problem(location: str) -> str:
    """The code that a page is told."""
    (code,) = parse_qs(urlsplit(location).query)["problem"]
    return code
