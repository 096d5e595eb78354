"""Documents over a limit are refused before anything runs."""

from __future__ import annotations

import pytest
from graphql import build_schema, parse, validate

from graph.api.limits import MAX_ALIASES, MAX_DEPTH, DocumentLimits

SCHEMA = build_schema(
    """
    type Query { node: Node jobs(first: Int!): [Node!]! }
    type Node { id: ID node: Node nodes(first: Int!): [Node!]! }
    type Mutation { logIn(p: String): String refreshSession: String register: String createJob: String }
    """
)


def errors(document: str) -> list[str]:
    return [error.message for error in validate(SCHEMA, parse(document), [DocumentLimits])]


def nest(depth: int) -> str:
    return "{ " + "node { " * (depth - 1) + "id" + " }" * (depth - 1) + " }"


def test_depth() -> None:
    assert errors(nest(MAX_DEPTH)) == []
    assert "deep" in errors(nest(MAX_DEPTH + 1))[0]


def test_depth_through_fragments() -> None:
    fragments = (
        "".join(f" fragment F{n} on Node {{ node {{ ...F{n + 1} }} }}" for n in range(MAX_DEPTH))
        + f" fragment F{MAX_DEPTH} on Node {{ id }}"
    )
    assert "deep" in errors("{ node { ...F0 } }" + fragments)[0]


def test_fragment_cycles_end() -> None:
    errors("{ node { ...A } } fragment A on Node { node { ...B } } fragment B on Node { node { ...A } }")


def test_aliases() -> None:
    fields = [f"a{n}: node {{ id }}" for n in range(MAX_ALIASES + 1)]
    assert errors("{ node { " + " ".join(fields[:-1]) + " } }") == []
    assert "aliases" in errors("{ node { " + " ".join(fields) + " } }")[0]


def test_aliases_over_several_operations_count_together() -> None:
    each = " ".join(f"a{n}: id" for n in range(MAX_ALIASES // 2 + 1))
    assert errors(f"query A {{ node {{ {each} }} }} query B {{ node {{ {each} }} }}")


@pytest.mark.parametrize(
    "document",
    [
        'mutation { a: logIn(p: "1") b: logIn(p: "2") }',
        'mutation A { logIn(p: "1") } mutation B { logIn(p: "2") }',
        'mutation { ...F ...G } fragment F on Mutation { a: logIn(p: "1") } fragment G on Mutation { logIn(p: "2") }',
        'mutation { ... on Mutation { logIn(p: "1") } b: logIn(p: "2") }',
        "mutation { register refreshSession }",
        'mutation { logIn(p: "1") logIn(p: "1") }',
    ],
)
def test_one_log_in_per_document(document: str) -> None:
    assert "once" in errors(document)[0]


def test_one_log_in_beside_other_mutations_is_fine() -> None:
    assert errors('mutation { logIn(p: "1") createJob }') == []


def test_cost_multiplies_nested_lists() -> None:
    assert errors("{ jobs(first: 100) { nodes(first: 10) { id } } }") == []
    assert "costs" in errors("{ jobs(first: 100) { nodes(first: 100) { nodes(first: 100) { id } } } }")[0]
    assert "costs" in errors("query ($n: Int!) { jobs(first: $n) { nodes(first: $n) { a: id b: id c: id } } }")[0]


def test_exponential_fragments_are_stopped_early() -> None:
    lines = [f"fragment F{n} on Node {{ a: node {{ ...F{n + 1} }} b: node {{ ...F{n + 1} }} }}" for n in range(11)]
    document = "{ node { ...F0 } } " + " ".join(lines) + " fragment F11 on Node { id }"
    assert errors(document)


def test_many_root_fields() -> None:
    assert errors("{ " + " ".join(["node { id }"] * 21) + " }")
