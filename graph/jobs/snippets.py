"""Copy-and-paste code that loads a result over Arrow Flight. The tests run it as printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snippets:
    """Python code for three libraries; each needs `pip install pyarrow` besides the library itself."""

    pandas: str
    polars: str
    duckdb: str


def snippets(location: str, ticket: str) -> Snippets:
    """Return the code for a result; it works until the ticket expires."""
    get = f'flight.connect("{location}").do_get(flight.Ticket("{ticket}"))'
    libraries = "import {}\nimport pyarrow.flight as flight\n\n"
    query = 'duckdb.sql("FROM result").to_arrow_table()'
    return Snippets(
        pandas=f"import pyarrow.flight as flight\n\ndf = {get}.read_pandas()\n",
        polars=libraries.format("polars as pl") + f"df = pl.from_arrow({get}.read_all())\n",
        duckdb=libraries.format("duckdb") + f"result = {get}.to_reader()\ndf = {query}\n",
    )
