"""The API on the real stack, with a process that listens for revocations."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.applications import Starlette

from graph.context import Services
from graph.users.authentication import Authenticator
from tests.graph.api_fixtures import app, services, stranger, user
from tests.graph.users.signing_on import PUBLIC_URL, signing_on
from tests.oidc_provider import OidcProvider, oidc_provider
from tests.stack import Backends

__all__ = ["app", "services", "stranger", "user"]


@pytest.fixture
async def listening(services: Services) -> AsyncIterator[Authenticator]:
    """The authenticator with its background tasks, as in a running process."""
    services.authenticator.start()
    yield services.authenticator
    await services.authenticator.stop()


@pytest.fixture(scope="session")
def provider() -> Iterator[OidcProvider]:
    """A real OpenID provider that sends browsers back to the API of `sso`."""
    with oidc_provider() as running:
        running.serve(PUBLIC_URL)
        yield running


@pytest.fixture(scope="session")
async def sso(backends: Backends, provider: OidcProvider) -> AsyncIterator[Starlette]:
    """The API with single sign-on, everything else by default."""
    async with signing_on(backends.settings, provider) as made:
        yield made
