"""`python engines.py ENGINE WORKLOAD FOLDER OUTPUT`: one workload in one peer, as its users would write it.

Runs in the peers' environment. `-tuned` has what experts know: text columns that are only passed on stay text, and
the order of rows is not kept where the engine can do without.
"""

from __future__ import annotations

import os
import sys

COLUMNS = (
    "order_id customer_id order_ts country city status payment_method quantity unit_price discount amount email note "
    "is_gift is_express txn_uuid"
)
KEPT = "order_id, customer_id, order_ts, amount, note"
GROUP = "SELECT {}, count(*) AS n, sum(amount) AS amount, avg(quantity) AS avg_qty FROM {} {} GROUP BY {}"
INDIA = "WHERE country = 'India'"
RICH = "WHERE country = 'India' AND amount > 100"
EVENTS = "SELECT ts, user_id, country, amount, {} AS page FROM {} WHERE event = 'purchase' AND amount > 50"
JOIN = (
    "SELECT c.region, c.segment, o.payment_method, count(*) AS n, sum(o.amount) AS amount FROM {} o JOIN {} c ON "
    "o.customer_id = c.customer_id WHERE c.segment IN ('enterprise', 'smb') AND o.status <> 'cancelled' "
    "GROUP BY c.region, c.segment, o.payment_method"
)


def queries(source: dict[str, str], page: str, distinct: str) -> dict[str, str]:
    """The workloads in SQL, with each input as the engine names it."""
    orders = source["orders"]
    return {
        "W1": f"SELECT * FROM {orders} {INDIA}",
        "W2": f"SELECT {KEPT} FROM {orders} {RICH}",
        "W3": f"SELECT * FROM {orders}",
        "W4": GROUP.format("country, status", orders, "", "country, status"),
        "W6": f"SELECT * FROM {orders} ORDER BY country, amount DESC",
        "W7": JOIN.format(orders, source["customers"]),
        "W8": EVENTS.format(page, source["events"]),
        "W9": GROUP.format("status, payment_method", source["parquet"], RICH, "status, payment_method"),
        "W10": distinct.format(orders),
    }


def duckdb(work: str, folder: str, out: str, tuned: bool) -> None:
    import duckdb

    text = ", all_varchar=true" if tuned and work in {"W1", "W10"} else ""
    source = {
        "orders": f"read_csv('{folder}/orders.csv'{text})",
        "customers": f"read_csv('{folder}/customers.csv')",
        "events": f"read_json('{folder}/events.ndjson', format='newline_delimited')",
        "parquet": f"'{folder}/orders.parquet'",
    }
    query = queries(source, "props.page", "SELECT DISTINCT ON (customer_id, status) * FROM {}")
    lines = (
        f"read_csv('{folder}/app.log', delim='\x01', quote='', escape='', header=false, auto_detect=false, "
        "columns={'line': 'VARCHAR'}, new_line='\\n', strict_mode=false)"
    )
    query["W5"] = f"SELECT line FROM {lines} WHERE contains(line, 'ERROR')"
    form = "FORMAT csv, HEADER true"
    if work in {"W3", "W6", "W8"}:
        form = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1"
    elif work == "W5":
        form = "FORMAT csv, HEADER false, DELIM '\x01', QUOTE '', ESCAPE ''"
    connection = duckdb.connect()
    if tuned:
        connection.execute("SET preserve_insertion_order = false")
    connection.execute(f"COPY ({query[work]}) TO '{out}' ({form})")


def polars(work: str, folder: str, out: str, tuned: bool) -> None:
    import polars as pl

    column = pl.col
    zstd = {"compression": "zstd", "compression_level": 1}
    if tuned and work in {"W1", "W2", "W10"}:
        texts = {name: pl.Float64 if name == "amount" else pl.String for name in COLUMNS.split()}
        orders = pl.scan_csv(f"{folder}/orders.csv", schema=texts)
    else:
        orders = pl.scan_csv(f"{folder}/orders.csv", try_parse_dates=True)
    rich = (column("country") == "India") & (column("amount") > 100)
    totals = [pl.len().alias("n"), column("amount").sum()]
    mean = column("quantity").mean().alias("avg_qty")
    keep = {"maintain_order": not tuned}
    if work == "W1":
        orders.filter(column("country") == "India").sink_csv(out, **keep)
    elif work == "W2":
        orders.filter(rich).select(KEPT.split(", ")).sink_csv(out, **keep)
    elif work == "W3":
        orders.sink_parquet(out, **zstd, **keep)
    elif work == "W4":
        orders.group_by("country", "status").agg(*totals, mean).sink_csv(out)
    elif work == "W5":
        lines = pl.scan_lines(f"{folder}/app.log", name="line")
        found = lines.filter(column("line").str.contains("ERROR", literal=True))
        found.sink_csv(out, include_header=False, quote_style="never")
    elif work == "W6":
        orders.sort("country", "amount", descending=[False, True]).sink_parquet(out, **zstd)
    elif work == "W7":
        some = pl.scan_csv(f"{folder}/customers.csv").filter(column("segment").is_in(["enterprise", "smb"]))
        joined = orders.filter(column("status") != "cancelled").join(some, on="customer_id")
        joined.group_by("region", "segment", "payment_method").agg(*totals).sink_csv(out)
    elif work == "W8":
        events = pl.scan_ndjson(f"{folder}/events.ndjson")
        bought = events.filter((column("event") == "purchase") & (column("amount") > 50))
        page = column("props").struct.field("page")
        bought.select("ts", "user_id", "country", "amount", page).sink_parquet(out, **zstd)
    elif work == "W9":
        stored = pl.scan_parquet(f"{folder}/orders.parquet").filter(rich)
        stored.group_by("status", "payment_method").agg(*totals, mean).sink_csv(out)
    else:
        orders.unique(subset=["customer_id", "status"], keep="any", maintain_order=False).sink_csv(out, **keep)


def datafusion(work: str, folder: str, out: str, _tuned: bool) -> None:
    import datafusion as df

    context = df.SessionContext()

    def table(name: str, stored: str, file: str, **options: str) -> None:
        told = ", ".join(f"'format.{key}' '{value}'" for key, value in options.items())
        columns = "(line VARCHAR)" if name == "log" else ""
        command = f"CREATE EXTERNAL TABLE {name} {columns} STORED AS {stored} LOCATION '{folder}/{file}'"
        context.sql(command + (f" OPTIONS ({told})" if told else "")).collect()

    if work == "W5":
        table("log", "CSV", "app.log", has_header="false", delimiter="\x01", quote="\x02")
    elif work == "W8":
        context.register_json("events", f"{folder}/events.ndjson", file_extension=".ndjson")
    elif work == "W9":
        table("parquet", "PARQUET", "orders.parquet")
    else:
        table("orders", "CSV", "orders.csv", has_header="true", newlines_in_values="true")
        table("customers", "CSV", "customers.csv", has_header="true")
    names = {name: name for name in ("orders", "customers", "events", "parquet")}
    query = queries(names, "props['page']", "SELECT DISTINCT ON (customer_id, status) * FROM {}")
    query["W5"] = "SELECT line FROM log WHERE line LIKE '%ERROR%'"
    form = "STORED AS CSV OPTIONS ('format.has_header' 'true')"
    if work in {"W3", "W6", "W8"}:
        form = "STORED AS PARQUET OPTIONS ('format.compression' 'zstd(1)')"
    elif work == "W5":
        form = "STORED AS CSV OPTIONS ('format.has_header' 'false', 'format.delimiter' '\x01', 'format.quote' '\x02')"
    context.sql(f"COPY ({query[work]}) TO '{out}' {form}").collect()


def chdb(work: str, folder: str, out: str, tuned: bool) -> None:
    import chdb

    structure = ""
    if tuned and work in {"W1", "W10"}:
        structure = ", '" + ", ".join(f"{name} String" for name in COLUMNS.split()) + "'"
    source = {
        "orders": f"file('{folder}/orders.csv', 'CSVWithNames'{structure})",
        "customers": f"file('{folder}/customers.csv', 'CSVWithNames')",
        "events": f"file('{folder}/events.ndjson', 'JSONEachRow')",
        "parquet": f"file('{folder}/orders.parquet', 'Parquet')",
    }
    query = queries(source, "props.page", "SELECT * FROM {} LIMIT 1 BY customer_id, status")
    # Without a name of their own, sums would be taken for the columns that they are made of.
    query["W9"] = query["W9"].replace(
        f"{source['parquet']} {RICH}", f"{source['parquet']} AS t WHERE t.country = 'India' AND t.amount > 100"
    )
    query["W5"] = (
        f"SELECT line FROM file('{folder}/app.log', 'LineAsString', 'line String') WHERE position(line, 'ERROR') > 0"
    )
    form = {"W3": "Parquet", "W6": "Parquet", "W8": "Parquet", "W5": "TSVRaw"}.get(work, "CSVWithNames")
    settings = ""
    if form == "Parquet":
        settings = " SETTINGS output_format_parquet_compression_method='zstd', output_format_compression_level=1"
    chdb.query(f"INSERT INTO FUNCTION file('{out}', '{form}') {query[work]}{settings}")


if __name__ == "__main__":
    engine, _, variant = sys.argv[1].partition("-")
    {"duckdb": duckdb, "polars": polars, "datafusion": datafusion, "chdb": chdb}[engine](
        *sys.argv[2:5], variant == "tuned"
    )
    sys.stdout.flush()
    os._exit(0)  # no engine is charged for giving back its memory
