"""Who asks: the authenticated caller and the workspace in which they act. Services take it; it knows no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from graph.core.errors import Forbidden

WorkspaceRole = Literal["OWNER", "EDITOR", "VIEWER"]
SET_UP_CODE: Final = "SECOND_FACTOR_SETUP_NEEDED"
SET_UP_MESSAGE: Final = "Set up a second factor first: log in to the web application, it shows how."
_RANK = {"VIEWER": 0, "EDITOR": 1, "OWNER": 2}


@dataclass(frozen=True, slots=True)
class Viewer:
    """A caller. `session_id` is set for access tokens, `token_id` for API tokens; `expires_at` in Unix seconds.

    `unverified`: their e-mail address is to be verified before they see or do anything in a workspace.
    `unsecured`: a second factor is demanded of them, which they have to set up before they see or do anything else.
    """

    user_id: UUID
    workspace_id: UUID
    workspace_role: WorkspaceRole
    platform_role: Literal["USER", "ADMIN"]
    scopes: frozenset[str]
    session_id: UUID | None = None
    token_id: UUID | None = None
    expires_at: int | None = None
    unverified: bool = False
    unsecured: bool = False

    def allows(self, role: WorkspaceRole, scope: str) -> bool:
        """Tell whether role and token scope reach."""
        return (
            not self.unverified
            and not self.unsecured
            and scope in self.scopes
            and _RANK[self.workspace_role] >= _RANK[role]
        )

    @property
    def is_administrator(self) -> bool:
        """Whether this is an administrator of the platform, with a token that may do all that they may."""
        return self.platform_role == "ADMIN" and "write" in self.scopes and not self.unverified and not self.unsecured

    def require_secured(self) -> None:
        """Raise `Forbidden` while a second factor is to be set up."""
        if self.unsecured:
            raise Forbidden(SET_UP_MESSAGE, code=SET_UP_CODE)

    def require(self, role: WorkspaceRole, scope: str) -> None:
        """Raise `Forbidden` unless role and scope reach."""
        self.require_secured()
        if self.unverified:
            raise Forbidden(
                "Verify your e-mail address first: open the link in the mail that was sent to you.",
                code="EMAIL_UNVERIFIED",
            )
        if scope not in self.scopes:
            raise Forbidden(f"This API token has no scope `{scope}`. Make one that has.", code="SCOPE_MISSING")
        if not self.allows(role, scope):
            raise Forbidden(f"This needs the role {role} in the workspace; yours is {self.workspace_role}.")
