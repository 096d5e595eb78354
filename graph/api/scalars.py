"""Scalars: Int64 for counts of bytes and rows, which outgrow GraphQL's 32-bit Int."""

from __future__ import annotations

from typing import Any, NewType

import strawberry
from graphql import GraphQLError, IntValueNode, StringValueNode, ValueNode
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

_LIMIT = 1 << 63

Int64 = NewType("Int64", int)
"""A signed 64-bit integer, as a JSON number (exact in JavaScript up to 2^53, 9 PB)."""


def _check(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise GraphQLError(f"Int64 must be a whole number, not {value!r}.")
    try:
        number = int(value)
    except ValueError as error:
        raise GraphQLError(f"Int64 must be a whole number, not {value!r}.") from error
    if not -_LIMIT <= number < _LIMIT:
        raise GraphQLError(f"{value} does not fit into 64 bits.")
    return number


def _literal(node: ValueNode, _variables: Any = None) -> int:
    if isinstance(node, (IntValueNode, StringValueNode)):
        return _check(node.value)
    raise GraphQLError("Int64 must be a whole number.", nodes=node)


INT64: ScalarDefinition = strawberry.scalar(
    name="Int64",
    description="A signed 64-bit integer as a JSON number: counts of bytes and rows.",
    serialize=_check,
    parse_value=_check,
    parse_literal=_literal,
)

SCALARS: dict[object, ScalarDefinition] = {Int64: INT64}

__all__ = ["INT64", "JSON", "SCALARS", "Int64"]
