"""A data scientist pulls and sends tables and asks them by SQL, with the documents' code as it stands there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.stack import ROOT, Account, Stack

CSV = "order_id,country,amount\n" + "".join(f"{i},{'India' if i % 2 else 'Nepal'},{i}\n" for i in range(1_000))
MAKE_TOKEN = """mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) {
  __typename ... on CreateApiTokenSuccess { token } ... on Error { code message } } }"""


def blocks(document: str, module: str) -> list[str]:
    """The Python code of a document that uses a module."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    return [code for code in found if module in code]


def result(user: Account, dataset: str) -> str:
    """A job that ended; the amounts of its result are 50 to 999."""
    spec = {"version": 1, "steps": [{"filter": {"where": "amount >= 50"}}], "output": {"format": "parquet"}}
    job: str = user.run_job(spec, input=dataset)["id"]
    return job


def pasted(code: str, stack: Stack, user: Account, *more: str, **placeholders: str) -> dict[str, Any]:
    """Runs code with its placeholders filled in, the token's scopes READ and `more`; its names."""
    asked = {"i": {"name": "notebook", "scopes": ["READ", *more]}}
    token = user.gql(MAKE_TOKEN, asked)["createApiToken"]["token"]
    always = {"YOUR_API_TOKEN": token, "grpc://127.0.0.1:8815": stack.flight_url}
    assert all(placeholder in code for placeholder in always)
    for placeholder, value in (always | placeholders).items():
        code = code.replace(placeholder, value)
    names: dict[str, Any] = {}
    exec(code, names)
    return names


def test_a_result_is_pulled_by_the_readmes_code_as_pasted(stack: Stack, user: Account) -> None:
    (code,) = blocks("README.md", "pyarrow.flight")
    names = pasted(code, stack, user, JOB_ID=result(user, user.upload(CSV, "orders.csv")))
    with names["client"]:
        assert names["frame"]["amount"].to_list() == list(range(50, 1_000))


def test_a_table_is_sent_and_a_pipeline_pulled_as_the_document_says(stack: Stack, user: Account) -> None:
    put, pull = blocks("docs/flight.md", "pyarrow.flight")
    with pasted(put, stack, user, "WRITE")["client"]:
        found = user.gql("query { datasets(first: 5) { edges { node { name } } } }", {})["datasets"]["edges"]
        assert [edge["node"] for edge in found] == [{"name": "numbers"}]
    names = pasted(pull, stack, user, YOUR_DATASET_ID=user.upload(CSV, "orders.csv"))
    with names["client"]:
        assert names["table"]["amount"].to_pylist() == list(range(1, 1_000, 2))


@pytest.mark.parametrize("document", ["README.md", "docs/flight-sql.md"])
def test_sql_is_asked_by_the_documents_code_as_pasted(stack: Stack, user: Account, document: str) -> None:
    (code,) = blocks(document, "adbc_driver_flightsql")
    names = pasted(code, stack, user, JOB_ID=result(user, user.upload(CSV, "orders.csv")))
    with names["connection"] as connection, connection.cursor() as cursor:
        cursor.execute('SELECT count(*) FROM datasets."orders.csv"')
        assert cursor.fetchone() == (1_000,)
    if "JOB_ID" in code:
        assert sorted(names["frame"]["amount"].to_list()) == list(range(101, 1_000))
