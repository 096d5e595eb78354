"""Every root field keeps the conventions: a permission by name, errors in the result."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import GraphQLInterfaceType, GraphQLNonNull, GraphQLUnionType

from graph.api.fields import AnswerErrors
from graph.api.permissions import Permission, Public
from graph.schema import Mutation, Query, Subscription, create_schema

# who has no account yet, or whose token has run out
OPEN = {
    *{"register", "log_in", "confirm_log_in", "refresh_session", "log_out"},
    *{"request_password_reset", "reset_password", "verify_email"},
}
SCHEMA = create_schema(introspection=False)


def fields(root: type) -> list[Any]:
    """Root fields of a type."""
    return list(root.__strawberry_definition__.fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", fields(Mutation), ids=lambda field: field.python_name)
def test_every_mutation_has_a_permission_and_answers_errors(field: Any) -> None:
    assert len(field.permission_classes) == 1
    permission = field.permission_classes[0]
    assert issubclass(permission, Permission)
    assert (permission is Public) == (field.python_name in OPEN)
    assert isinstance(field.extensions[-1], AnswerErrors), "AnswerErrors must be outermost"


@pytest.mark.parametrize("field", [*fields(Query), *fields(Subscription)], ids=lambda field: field.python_name)
def test_every_query_and_subscription_has_a_permission(field: Any) -> None:
    assert len(field.permission_classes) == 1
    assert (field.permission_classes[0] is Public) == (field.python_name in {"me", "sign_in_methods"})


def test_every_mutation_gives_a_union_of_success_and_errors() -> None:
    graphql = SCHEMA._schema
    interface = graphql.type_map["Error"]
    assert isinstance(interface, GraphQLInterfaceType)
    mutation = graphql.mutation_type
    assert mutation is not None
    for name, field in mutation.fields.items():
        assert isinstance(field.type, GraphQLNonNull), name
        union = field.type.of_type
        assert isinstance(union, GraphQLUnionType), name
        pascal = name[0].upper() + name[1:]
        assert union.name == f"{pascal}Result"
        success = [member for member in union.types if interface not in member.interfaces]
        assert [member.name for member in success] == [f"{pascal}Success"]
        assert len(union.types) > 1
        if field.args:
            assert set(field.args) == {"input"}
            assert str(field.args["input"].type) == f"{pascal}Input!"


def test_the_error_interface_is_the_contract() -> None:
    interface = SCHEMA._schema.type_map["Error"]
    assert isinstance(interface, GraphQLInterfaceType)
    assert {name: str(field.type) for name, field in interface.fields.items()} == {
        "code": "String!",
        "message": "String!",
        "path": "[String!]!",
    }
