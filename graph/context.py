"""The context of one request or one socket: the parts of the service and who asks."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import strawberry
from starlette.requests import Request
from starlette.responses import Response
from starlette.websockets import WebSocket

from graph.admin.service import StatusReader
from graph.core.db import Database
from graph.core.errors import DomainError, Forbidden, NotAuthenticated, RateLimited, TopLevelError
from graph.core.events import Events
from graph.core.keys import KeyRing
from graph.core.queue import Queue
from graph.core.refusals import Refusals
from graph.core.sealing import Sealer
from graph.core.security import AccessTokens
from graph.core.settings import Settings
from graph.core.storage import Storage
from graph.core.viewer import Viewer
from graph.second_factor.service import SecondFactors
from graph.users.authentication import Authenticator
from graph.users.limiter import LoginLimiter
from graph.users.oidc import SingleSignOn
from graph.users.service import Accounts


@dataclass(slots=True)
class Services:
    """The parts of one API process, opened by the application's lifespan and shared by all requests."""

    settings: Settings
    db: Database
    storage: Storage
    queue: Queue
    events: Events
    keys: KeyRing
    sealer: Sealer
    tokens: AccessTokens
    authenticator: Authenticator
    accounts: Accounts
    limiter: LoginLimiter
    second_factors: SecondFactors
    refusals: Refusals
    status: StatusReader
    sign_on: SingleSignOn | None


@dataclass
class Context:
    """What resolvers get as `info.context`.

    `viewer` is None for anonymous requests; with broken credentials too, and `auth_error` says why: log-in must work
    with an expired token in the header. A socket's context lives as long as the socket: use `loader` per operation
    only, never keep rows here.
    """

    services: Services
    request: Request | WebSocket
    response: Response | WebSocket | None = None
    viewer: Viewer | None = None
    auth_error: TopLevelError | None = None
    connection_params: dict[str, Any] | None = None
    loaders: dict[str, Any] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """Settings of the process."""
        return self.services.settings

    @property
    def db(self) -> Database:
        """PostgreSQL."""
        return self.services.db

    @property
    def storage(self) -> Storage:
        """Object storage."""
        return self.services.storage

    @property
    def queue(self) -> Queue:
        """The workers' doorbell."""
        return self.services.queue

    @property
    def events(self) -> Events:
        """Live notices."""
        return self.services.events

    @property
    def keys(self) -> KeyRing:
        """Signing and verification keys."""
        return self.services.keys

    def require_viewer(self, *, setting_up: bool = False) -> Viewer:
        """Return who asks; `NotAuthenticated` (or the reason the credentials were refused) for anonymous requests.

        `Forbidden` for those who have to set up a second factor before anything else, but for what does that.
        """
        if self.viewer is None:
            raise self.auth_error or NotAuthenticated()
        if not setting_up:
            self.viewer.require_secured()
        return self.viewer

    def note_refusal(self, error: DomainError, field: str) -> None:
        """Have a refused access written into the audit log; what else is refused stands nowhere."""
        if isinstance(error, NotAuthenticated):
            # a token that was refused is noted already, and whoever has none asks to refresh at each visit
            if self.auth_error is not None or field == "refreshSession":
                return
        elif not isinstance(error, Forbidden | RateLimited):
            return
        viewer = self.viewer
        self.services.refusals.note(
            "access.limited" if isinstance(error, RateLimited) else "access.refused",
            error.code,
            actor_id=viewer.user_id if viewer else None,
            token_id=viewer.token_id if viewer else None,
            data={"field": field},
        )

    @property
    def workspace_id(self) -> UUID:
        """The active workspace."""
        return self.require_viewer().workspace_id

    @property
    def address(self) -> str:
        """Address of the client."""
        return self.request.client.host if self.request.client else "unknown"


Info = strawberry.Info[Context, None]
