"""Permission classes of root fields. Each mutation names one; `Public` is a choice, not an omission."""

from __future__ import annotations

from typing import Any

from strawberry.permission import BasePermission

from graph.context import Info
from graph.core.errors import Forbidden


class Permission(BasePermission):
    """Root of our permissions: they raise the reason themselves, so `on_unauthorized` is never reached."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:
        """Raise `NotAuthenticated` or `Forbidden`, or return True."""
        raise NotImplementedError


class Public(Permission):
    """Anybody: register, log in, refresh."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Everybody may."""
        return True


class CanRead(Permission):
    """Any role in the active workspace, scope `read`."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need VIEWER and `read`."""
        info.context.require_viewer().require("VIEWER", "read")
        return True


class CanWrite(Permission):
    """EDITOR or OWNER of the active workspace, scope `write`."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need EDITOR and `write`."""
        info.context.require_viewer().require("EDITOR", "write")
        return True


class CanOwn(Permission):
    """OWNER of the active workspace, scope `write`."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need OWNER and `write`."""
        info.context.require_viewer().require("OWNER", "write")
        return True


class IsAuthenticated(Permission):
    """Any valid token."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need a viewer."""
        info.context.require_viewer()
        return True


class IsPerson(Permission):
    """A log-in session, no API token: what concerns the account itself."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need a session."""
        if info.context.require_viewer().session_id is None:
            raise Forbidden("API tokens may not do this. Log in with e-mail and password.", code="SESSION_REQUIRED")
        return True


class IsPersonSettingUp(Permission):
    """A log-in session, also one that does nothing until a second factor is set up: what sets it up, or ends it."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need a session."""
        if info.context.require_viewer(setting_up=True).session_id is None:
            raise Forbidden("API tokens may not do this. Log in with e-mail and password.", code="SESSION_REQUIRED")
        return True


class IsAdministrator(Permission):
    """A platform administrator."""

    def has_permission(self, source: Any, info: Info, **kwargs: Any) -> bool:  # noqa: ARG002
        """Need the platform role ADMIN."""
        if not info.context.require_viewer().is_administrator:
            raise Forbidden("Only administrators may do this.")
        return True
