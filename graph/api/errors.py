"""Domain errors as GraphQL types: members of each mutation's result union, all with code, message and path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import strawberry

from graph.core.errors import Conflict, DomainError, Forbidden, NotFound


@strawberry.interface(name="Error", description="An expected refusal. `code` is stable; `path` names the input field.")
class ErrorInterface:
    """Root of all domain errors in results."""

    code: str
    message: str
    path: list[str]


@strawberry.type(description="A value of the input cannot be used.")
class InvalidInputError(ErrorInterface):
    """`InvalidInput`."""


@strawberry.type(description="What was named does not exist, or is not visible to the caller.")
class NotFoundError(ErrorInterface):
    """`NotFound`."""


@strawberry.type(description="The state of the thing does not allow the action.")
class ConflictError(ErrorInterface):
    """`Conflict`."""


@strawberry.type(description="The caller's role or token scope does not allow the action.")
class ForbiddenError(ErrorInterface):
    """`Forbidden`."""


_OWN_TYPES: dict[type[DomainError], Callable[[Any], ErrorInterface]] = {}


def answer_as(error: type[DomainError], convert: Callable[[Any], ErrorInterface]) -> None:
    """Give a feature's domain error a GraphQL type of its own, where it says more than code, message and path."""
    _OWN_TYPES[error] = convert


def to_graphql(error: DomainError) -> ErrorInterface:
    """Return the union member for a domain error."""
    own = _OWN_TYPES.get(type(error))
    if own is not None:
        return own(error)
    kind: type[ErrorInterface] = InvalidInputError
    if isinstance(error, NotFound):
        kind = NotFoundError
    elif isinstance(error, Conflict):
        kind = ConflictError
    elif isinstance(error, Forbidden):
        kind = ForbiddenError
    return kind(code=error.code, message=error.message, path=error.path)
