"""Copy-and-paste code that loads a result over Arrow Flight. The tests run it as printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snippets:
    """Code for three libraries of Python and for R; each needs pyarrow besides the library itself.

    R reaches it by reticulate, and needs its own package arrow too.
    """

    pandas: str
    polars: str
    duckdb: str
    r: str


def snippets(location: str, ticket: str) -> Snippets:
    """Return the code for a result; it works until the ticket expires."""
    get = f'flight.connect("{location}").do_get(flight.Ticket("{ticket}"))'
    libraries = "import {}\nimport pyarrow.flight as flight\n\n"
    query = 'duckdb.sql("FROM result").to_arrow_table()'
    return Snippets(
        pandas=f"import pyarrow.flight as flight\n\ndf = {get}.read_pandas()\n",
        polars=libraries.format("polars as pl") + f"df = pl.from_arrow({get}.read_all())\n",
        duckdb=libraries.format("duckdb") + f"result = {get}.to_reader()\ndf = {query}\n",
        r='library(arrow)\nflight <- reticulate::import("pyarrow.flight")\n\n'
        f'reader <- flight$connect("{location}")$do_get(flight$Ticket("{ticket}"))\n'
        "df <- as.data.frame(reader$read_all())\n",
    )
