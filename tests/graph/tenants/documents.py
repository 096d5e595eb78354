"""Documents for every root field, made of the SDL: all fields below it, and arguments that hold the ids given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNamedType,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLUnionType,
    Undefined,
    build_schema,
    get_named_type,
)

SCHEMA: Final = build_schema((Path(__file__).parents[3] / "graph/schema.graphql").read_text(encoding="utf-8"))
NODES: Final = sorted(type_.name for type_ in SCHEMA.get_possible_types(SCHEMA.type_map["Node"]))  # type: ignore[arg-type]
SPEC: Final = {"version": 1, "steps": [], "output": {"format": "csv"}}
# what a required text means, by the name of its argument
TEXTS: Final = {
    "cron": "0 3 * * *",
    "timeZone": "UTC",
    "fileName": "walk.csv",
    "name": "walk",
    "password": "walk walk walk walk",
    "newPassword": "walk walk walk walk walk",
    "url": "https://example.org/walk",
    "email": "walk@example.org",
    "token": "walk",
    "challenge": "walk",
    "code": "123456",
}
# whose id `id` is, where the root field's name does not say it
OTHER_IDS: Final = {
    "redeliverWebhook": "WebhookDelivery",
    "setUserDisabled": "User",
    # nobody has one on a stack without a provider; tests/graph/users/test_oidc.py asks with another's
    "unlinkSignIn": "User",
}
BY_NAME: Final = {
    "actorId": "User",
    "datasetId": "Dataset",
    "jobId": "Job",
    "pipelineId": "Pipeline",
    "uploadId": "Upload",
    "workspaceId": "Workspace",
}
Argument = GraphQLArgument | GraphQLInputField


@dataclass(frozen=True)
class Document:
    """One operation on one root field; `ids` names the positions of ids in its variables, with their node types."""

    kind: str
    root: str
    text: str
    arguments: Mapping[str, Any]
    ids: tuple[tuple[tuple[str | int, ...], str], ...]

    def with_ids(self, ids: Mapping[str, str], others: Mapping[str, str] | None = None, place: int = -1) -> Document:
        """The same with ids filled in by type: of `ids`, or at all places but one of `others`."""
        arguments = json.loads(json.dumps(self.arguments))
        for number, (path, type_) in enumerate(self.ids):
            at = arguments
            for step in path[:-1]:
                at = at[step]
            at[path[-1]] = (ids if others is None or number == place else others)[type_]
        return Document(self.kind, self.root, self.text, arguments, self.ids)


def documents() -> Iterator[Document]:
    """One document for each root field; for `node` one for each type."""
    for kind, type_ in (
        ("query", SCHEMA.query_type),
        ("mutation", SCHEMA.mutation_type),
        ("subscription", SCHEMA.subscription_type),
    ):
        assert type_ is not None
        for name, field in type_.fields.items():
            for node in NODES if name == "node" else [""]:
                yield _document(kind, name, field, node)


def fields_of(text: str) -> set[str]:
    """The fields that a document asks for, as Type.field."""
    from graphql import FieldNode, TypeInfo, TypeInfoVisitor, Visitor, parse, visit

    found: set[str] = set()
    info = TypeInfo(SCHEMA)

    class Collect(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            parent = info.get_parent_type()
            assert parent is not None
            if not node.name.value.startswith("__"):
                found.add(f"{parent.name}.{node.name.value}")

    visit(parse(text), TypeInfoVisitor(info, Collect()))
    return found


def all_fields() -> set[str]:
    """Every field of every object type of the schema."""
    return {
        f"{type_.name}.{field}"
        for type_ in SCHEMA.type_map.values()
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__")
        for field in type_.fields
    }


def _document(kind: str, name: str, field: GraphQLField, node: str) -> Document:
    arguments: dict[str, Any] = {}
    ids: list[tuple[tuple[str | int, ...], str]] = []
    # a literal: the cost limit takes a variable `first` for a hundred
    passes = ["first: 2"] if "first" in field.args else []
    for argument, definition in field.args.items():
        if argument != "first" and _wanted(argument, definition):
            arguments[argument] = _value(definition.type, argument, name, node, (argument,), ids)
    heads = [f"${each}: {field.args[each].type}" for each in arguments]
    passes += [f"{each}: ${each}" for each in arguments]
    text = f"{kind}{_list(heads)} {{ {name}{_list(passes)} {_selection(get_named_type(field.type), (), node)} }}"
    return Document(kind, name, text, arguments, tuple(ids))


def _list(parts: list[str]) -> str:
    return f"({', '.join(parts)})" if parts else ""


def _wanted(name: str, definition: Argument) -> bool:
    """What is required, each place for an id, and a new name."""
    required = isinstance(definition.type, GraphQLNonNull) and definition.default_value is Undefined
    return required or name in {"name", "inputs", "first"} or get_named_type(definition.type).name == "ID"


def _value(  # one answer for each kind of type
    type_: Any,
    name: str,
    root: str,
    node: str,
    path: tuple[str | int, ...],
    ids: list[tuple[tuple[str | int, ...], str]],
) -> Any:
    if isinstance(type_, GraphQLNonNull):
        return _value(type_.of_type, name, root, node, path, ids)
    if isinstance(type_, GraphQLList):
        return [_value(type_.of_type, name, root, node, (*path, 0), ids)]
    if isinstance(type_, GraphQLEnumType):
        return next(iter(type_.values))
    if isinstance(type_, GraphQLInputObjectType):
        if type_.name == "PipelineSpecInput":
            return SPEC
        return {
            field: "input"
            if type_.name == "NamedInput" and field == "name"
            else _value(definition.type, field, root, node, (*path, field), ids)
            for field, definition in type_.fields.items()
            if _wanted(field, definition)
        }
    assert isinstance(type_, GraphQLScalarType)
    if type_.name == "ID":
        ids.append((path, _owner(name, root, node)))
        return None
    if type_.name == "String":
        return root if name == "id" else TEXTS[name]
    return {"Int": 1, "Int64": 64, "Boolean": True}[type_.name]


def _owner(name: str, root: str, node: str) -> str:
    """The node type whose id belongs at a place; a new kind of argument is named in the tables above."""
    if name in BY_NAME:
        return BY_NAME[name]
    if root == "node":
        return node
    if root in OTHER_IDS:
        return OTHER_IDS[root]
    found = [type_ for type_ in NODES if type_.lower() in root.lower()]
    assert name == "id", f"{root}: whose id is {name}? Say it in BY_NAME."
    assert found, f"{root}: whose id is {name}? Say it in OTHER_IDS."
    return max(found, key=len)


def _selection(type_: GraphQLNamedType, path: tuple[str, ...], node: str = "") -> str:
    """All fields of a type, each type once on the way down."""
    if isinstance(type_, GraphQLUnionType):
        return "{ __typename " + " ".join(f"... on {each.name} {_selection(each, path)}" for each in type_.types) + " }"
    if isinstance(type_, GraphQLInterfaceType):
        return f"{{ __typename ... on {node} {_selection(SCHEMA.type_map[node], path)} }}"
    if not isinstance(type_, GraphQLObjectType):
        return ""
    parts = []
    for name, field in type_.fields.items():
        below = get_named_type(field.type)
        if below.name in path or below.name == type_.name:
            continue
        given = [f"{each}: {2 if each == 'first' else 1}" for each, one in field.args.items() if _wanted(each, one)]
        parts.append(f"{name}{_list(given)} {_selection(below, (*path, type_.name))}".strip())
    return "{ " + " ".join(parts) + " }"
