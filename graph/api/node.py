"""The Relay Node interface: what has a global id."""

from __future__ import annotations

import strawberry


@strawberry.interface(description="Anything with a global id.")
class Node:
    """Root of all types that `node(id)` finds."""

    id: strawberry.ID
