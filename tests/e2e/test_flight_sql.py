"""A data scientist asks results and data sets by SQL, with the README's code as it stands there."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.stack import ROOT, Account, Stack

CSV = "order_id,country,amount\n" + "".join(f"{i},{'India' if i % 2 else 'Nepal'},{i}\n" for i in range(1_000))
MAKE_TOKEN = """mutation($i: CreateApiTokenInput!) { createApiToken(input: $i) {
  __typename ... on CreateApiTokenSuccess { token } ... on Error { code message } } }"""


def blocks(document: str) -> list[str]:
    """The Python code of a document that speaks of Flight SQL."""
    found = re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL)
    return [code for code in found if "adbc_driver_flightsql" in code]


@pytest.mark.parametrize("document", ["README.md", "docs/flight-sql.md"])
def test_the_documents_code_works_as_pasted(stack: Stack, user: Account, document: str) -> None:
    dataset = user.upload(CSV, "orders.csv")
    spec = {"version": 1, "steps": [{"filter": {"where": "amount >= 50"}}], "output": {"format": "parquet"}}
    job = user.run_job(spec, input=dataset)
    token = user.gql(MAKE_TOKEN, {"i": {"name": "notebook", "scopes": ["READ"]}})["createApiToken"]["token"]
    (code,) = blocks(document)
    for placeholder, value in (
        ("YOUR_API_TOKEN", token),
        ("grpc://127.0.0.1:8815", stack.flight_url),
        ("JOB_ID", job["id"]),
    ):
        assert placeholder in code or placeholder == "JOB_ID"
        code = code.replace(placeholder, value)
    names: dict[str, Any] = {}
    exec(code, names)
    with names["connection"] as connection, connection.cursor() as cursor:
        cursor.execute('SELECT count(*) FROM datasets."orders.csv"')
        assert cursor.fetchone() == (1_000,)
    if "JOB_ID" in blocks(document)[0]:
        assert sorted(names["frame"]["amount"].to_list()) == list(range(101, 1_000))
