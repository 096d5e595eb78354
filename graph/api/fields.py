"""Field helpers that hold every feature to the conventions: a permission on each root field, errors as answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import strawberry
from strawberry.extensions import FieldExtension

from graph.api.errors import to_graphql
from graph.api.permissions import Permission
from graph.core.errors import DomainError, TopLevelError

F = TypeVar("F", bound=Callable[..., Any])


class AnswerErrors(FieldExtension):
    """Turns a `DomainError` of a mutation into a member of its result union; top-level errors and bugs pass."""

    async def resolve_async(self, next_: Callable[..., Any], source: Any, info: Any, **kwargs: Any) -> Any:
        """Run the mutation; see the class."""
        try:
            return await next_(source, info, **kwargs)
        except TopLevelError:
            raise
        except DomainError as error:
            info.context.note_refusal(error, info.field_name)
            return to_graphql(error)


def field(*, description: str | None = None, name: str | None = None) -> Callable[[F], F]:
    """Decorate a resolver of a field inside a type; access was decided at the root."""
    return cast("Callable[[F], F]", strawberry.field(description=description, name=name))


def query(permission: type[Permission], *, description: str | None = None, name: str | None = None) -> Callable[[F], F]:
    """Decorate an async resolver as a field of Query."""
    made = strawberry.field(permission_classes=[permission], description=description, name=name)
    return cast("Callable[[F], F]", made)


def mutation(
    permission: type[Permission], *, description: str | None = None, name: str | None = None
) -> Callable[[F], F]:
    """Decorate an async resolver as a field of Mutation whose result union holds the domain errors."""
    made: Any = strawberry.mutation(permission_classes=[permission], description=description, name=name)
    # the last extension is the outermost: a refused permission is an answer too
    made.extensions = [*made.extensions, AnswerErrors()]
    return cast("Callable[[F], F]", made)


def subscription(
    permission: type[Permission], *, description: str | None = None, name: str | None = None
) -> Callable[[F], F]:
    """Decorate an async generator as a field of Subscription."""
    made = strawberry.subscription(permission_classes=[permission], description=description, name=name)
    return cast("Callable[[F], F]", made)
