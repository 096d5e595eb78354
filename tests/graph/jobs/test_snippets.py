"""The snippets of a result, run as they are printed, against the real Flight server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stack import Account, Stack

CSV = b"id,country,amount\n" + b"".join(b"%d,%s,%d\n" % (n, (b"India", b"Nepal")[n % 2], n) for n in range(1000))


@pytest.fixture(scope="module")
def flight(stack: Stack) -> dict[str, Any]:
    """Flight coordinates of a result of 500 rows."""
    account: Account = stack.register()
    spec = {
        "version": 1,
        "steps": [{"filter": {"where": "country = 'India'"}}],
        "output": {"format": "parquet"},
    }
    done = account.run_job(spec, input=account.upload(CSV, "orders.csv"))
    found: dict[str, Any] = done["result"]["flight"]
    return found


@pytest.mark.parametrize("library", ["pandas", "polars", "duckdb"])
def test_a_snippet_works_as_printed(flight: dict[str, Any], library: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(flight["snippets"][library], f"<{library}>", "exec"), names)
    frame = names["df"]
    columns = frame.column_names if library == "duckdb" else list(frame.columns)
    assert columns == ["id", "country", "amount"]
    rows = frame.num_rows if library == "duckdb" else len(frame)
    assert rows == 500


def test_the_snippet_for_r_names_address_and_ticket(flight: dict[str, Any]) -> None:
    # R is in no package index that the tests install from: what it says to pyarrow is what the others say.
    code = flight["snippets"]["r"]
    assert f'connect("{flight["location"]}")$do_get(flight$Ticket("{flight["ticket"]}"))' in code
    assert "\\" not in flight["ticket"]
