"""Relay connections over keyset pages: `JobConnection {edges {cursor node} nodes pageInfo}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import strawberry

from graph.api.fields import field
from graph.core.pagination import Page

Node = TypeVar("Node")
R = TypeVar("R")


@strawberry.type(description="Where the page ends.")
class PageInfo:
    """Forward pagination only: the previous page is never asked for backwards."""

    has_next_page: bool
    end_cursor: str | None
    has_previous_page: bool = False
    start_cursor: str | None = None


@strawberry.type(description="One item and the cursor to go on after it.")
class Edge(Generic[Node]):
    """An edge."""

    cursor: str
    node: Node


@strawberry.type(description="One page of a list, newest first.")
class Connection(Generic[Node]):
    """A page; make it with `to_connection`."""

    edges: list[Edge[Node]]
    page_info: PageInfo

    @field(description="The items without their cursors.")
    def nodes(self) -> list[Node]:
        """Shorthand for clients that do not need cursors."""
        return [edge.node for edge in self.edges]


def to_connection(page: Page[R], convert: Callable[[R], Node], *, after: str | None = None) -> Connection[Node]:
    """Return the connection of a page; `convert` makes the GraphQL type of a row."""
    edges = [Edge(cursor=cursor, node=convert(row)) for row, cursor in zip(page.rows, page.cursors, strict=True)]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=page.has_next_page,
            end_cursor=page.cursors[-1] if page.cursors else None,
            has_previous_page=after is not None,
            start_cursor=page.cursors[0] if page.cursors else None,
        ),
    )
