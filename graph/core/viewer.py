"""Who asks: the authenticated caller and the workspace in which they act. Services take it; it knows no HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from graph.core.errors import Forbidden

WorkspaceRole = Literal["OWNER", "EDITOR", "VIEWER"]
_RANK = {"VIEWER": 0, "EDITOR": 1, "OWNER": 2}


@dataclass(frozen=True, slots=True)
class Viewer:
    """A caller. `session_id` is set for access tokens, `token_id` for API tokens; `expires_at` in Unix seconds.

    `unverified`: their e-mail address is to be verified before they see or do anything in a workspace.
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

    def allows(self, role: WorkspaceRole, scope: str) -> bool:
        """Tell whether role and token scope reach."""
        return not self.unverified and scope in self.scopes and _RANK[self.workspace_role] >= _RANK[role]

    @property
    def is_administrator(self) -> bool:
        """Whether this is an administrator of the platform, with a token that may do all that they may."""
        return self.platform_role == "ADMIN" and "write" in self.scopes and not self.unverified

    def require(self, role: WorkspaceRole, scope: str) -> None:
        """Raise `Forbidden` unless role and scope reach."""
        if self.unverified:
            raise Forbidden(
                "Verify your e-mail address first: open the link in the mail that was sent to you.",
                code="EMAIL_UNVERIFIED",
            )
        if scope not in self.scopes:
            raise Forbidden(f"This API token has no scope `{scope}`. Make one that has.", code="SCOPE_MISSING")
        if not self.allows(role, scope):
            raise Forbidden(f"This needs the role {role} in the workspace; yours is {self.workspace_role}.")
