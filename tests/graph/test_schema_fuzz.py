"""Generated documents for every field of the schema, as anonymous, as user A and as user B, against the real stack.

Proves: whatever a client sends, the API answers 200 or a client error, never a masked bug, and B never sees what A
named.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from tests.stack import Stack

SDL = Path(__file__).parents[2] / "graph/schema.graphql"
EXAMPLES = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
# what an outside error may be called; anything else is a bug that was masked
INTERNAL = {"INTERNAL_ERROR"}
# what one may ask without a token
OPEN_FIELDS = {
    *{"register", "logIn", "confirmLogIn", "refreshSession", "logOut"},
    *{"requestPasswordReset", "resetPassword", "verifyEmail"},
}

schemathesis.graphql.scalar("Int64", st.integers(-(2**63), 2**63 - 1).map(nodes.Int))
schemathesis.graphql.scalar("DateTime", st.datetimes().map(lambda moment: nodes.String(moment.isoformat() + "Z")))
schemathesis.graphql.scalar("JSON", st.text(max_size=10).map(nodes.String))

schema = schemathesis.graphql.from_path(SDL)


@dataclass(frozen=True)
class Identities:
    """A secret name that A's things carry, and the headers of each caller."""

    url: str
    secret: str
    headers: dict[str, dict[str, str]]
    http: httpx.Client


@pytest.fixture(scope="session")
def identities(stack: Stack) -> Identities:
    """A and B, each with a personal workspace; A owns a pipeline with a name that nobody guesses."""
    a, b = stack.register(), stack.register()
    secret = "salary-list-7f3a91"
    a.gql(
        """mutation($i: CreatePipelineInput!) { createPipeline(input: $i) {
          __typename ... on CreatePipelineSuccess { pipeline { id } } ... on Error { code message } } }""",
        {"i": {"name": secret, "spec": {"version": 1, "steps": [], "output": {"format": "csv"}}}},
    )
    headers = {
        "anonymous": {},
        "A": {"Authorization": f"Bearer {a.token}"},
        "B": {"Authorization": f"Bearer {b.token}"},
    }
    return Identities(stack.graphql_url, secret, headers, httpx.Client(timeout=60))


@schema.parametrize()
@EXAMPLES
def test_no_document_breaks_the_api(case: Any, identities: Identities) -> None:
    """Each root field with generated arguments and selections, by each caller."""
    for who, headers in identities.headers.items():
        response = identities.http.post(identities.url, json={"query": case.body}, headers=headers)
        assert response.status_code < 500, (who, case.body, response.text)
        answer = response.json()
        codes = {(error.get("extensions") or {}).get("code") for error in answer.get("errors") or []}
        assert not codes & INTERNAL, (who, case.body, answer)
        if who == "B":
            assert identities.secret not in response.text, case.body
        if who == "anonymous" and not OPEN_FIELDS & set(case.body.replace("(", " ").split()):
            told = set(answer.get("data") or {})
            assert codes == {"UNAUTHENTICATED"} or told <= {"me", "signInMethods"}, (case.body, answer)
