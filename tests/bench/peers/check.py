"""`python check.py expected FOLDER` and `python check.py WORKLOAD OUTPUT`: what outputs must say, and what they do say.

What they must say is computed from the inputs with the standard library alone, row by row; as JSON on standard output.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

Sums = dict[str, float]
WHOLE = ("order_id", "customer_id", "quantity", "amount")


def add(sums: Sums, row: dict[str, str], columns: tuple[str, ...]) -> None:
    """Count a row, and add up some of its columns; of texts their lengths."""
    sums["rows"] += 1
    for name in columns:
        sums[name] += float(row[name])
    for name in ("city", "email", "note"):
        if columns == WHOLE:
            sums[name] += len(row[name])


def grouped(groups: dict[tuple[str, ...], list[float]], mean: bool) -> Sums:
    """What a table of groups adds up to."""
    sums = {"rows": len(groups), "n": sum(g[0] for g in groups.values()), "amount": sum(g[1] for g in groups.values())}
    return {**sums, "avg_qty": sum(g[2] / g[0] for g in groups.values())} if mean else sums


def expected(folder: Path) -> dict[str, Sums]:
    """What the outputs of all workloads must add up to."""
    with (folder / "customers.csv").open(newline="") as file:
        customers = {row["customer_id"]: (row["region"], row["segment"]) for row in csv.DictReader(file)}
    plain: dict[str, Sums] = {work: defaultdict(float) for work in ("W1", "W2", "W3")}
    groups: dict[str, dict[tuple[str, ...], list[float]]] = {
        work: defaultdict(lambda: [0, 0.0, 0.0]) for work in ("W4", "W7", "W9")
    }
    keys: set[tuple[str, str]] = set()

    def count(work: str, key: tuple[str, ...], row: dict[str, str]) -> None:
        group = groups[work][key]
        group[0] += 1
        group[1] += float(row["amount"])
        group[2] += float(row["quantity"])

    with (folder / "orders.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            add(plain["W3"], row, WHOLE)
            count("W4", (row["country"], row["status"]), row)
            keys.add((row["customer_id"], row["status"]))
            region, segment = customers[row["customer_id"]]
            if segment in {"enterprise", "smb"} and row["status"] != "cancelled":
                count("W7", (region, segment, row["payment_method"]), row)
            if row["country"] == "India":
                add(plain["W1"], row, WHOLE)
                if float(row["amount"]) > 100:
                    add(plain["W2"], row, ("order_id", "customer_id", "amount"))
                    count("W9", (row["status"], row["payment_method"]), row)
    errors: Sums = defaultdict(float)
    with (folder / "app.log").open("rb") as log:
        for line in log:
            if b"ERROR" in line:
                errors["rows"] += 1
                errors["bytes"] += len(line)
    bought: Sums = defaultdict(float)
    with (folder / "events.ndjson").open() as events:
        for event in map(json.loads, events):
            if event["event"] == "purchase" and event["amount"] > 50:
                bought["rows"] += 1
                bought["amount"] += event["amount"]
                bought["user_id"] += event["user_id"]
    return {
        **plain,
        "W4": grouped(groups["W4"], mean=True),
        "W5": errors,
        "W6": {**plain["W3"], "in order": 1},
        "W7": grouped(groups["W7"], mean=False),
        "W8": bought,
        "W9": grouped(groups["W9"], mean=True),
        "W10": {"rows": len(keys), "keys": len(keys), "customer_id": sum(int(customer) for customer, _ in keys)},
    }


def found(work: str, output: Path, wanted: Sums) -> Sums:
    """What an output adds up to, in the terms of `wanted`."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.csv as pacsv
    import pyarrow.parquet as pq

    if work == "W5":
        lines = output.read_bytes().splitlines(keepends=True)
        return {"rows": sum(b"ERROR" in line for line in lines), "bytes": sum(map(len, lines))}
    if output.suffix == ".parquet":
        table = pq.read_table(output)
    else:
        parse = pacsv.ParseOptions(newlines_in_values=True)
        # How a null is written is each engine's own way.
        convert = pacsv.ConvertOptions(null_values=["", "\\N"], strings_can_be_null=True)
        table = pacsv.read_csv(output, parse_options=parse, convert_options=convert)
    sums: Sums = {"rows": table.num_rows}
    for name in wanted.keys() & set(table.column_names):
        column = table[name]
        texts = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        texts = texts or pa.types.is_string_view(column.type) or pa.types.is_binary(column.type)
        column = pc.utf8_length(column.cast(pa.large_string())) if texts else column
        sums[name] = float(pc.sum(column.cast(pa.float64())).as_py() or 0)
    if "keys" in wanted:
        sums["keys"] = table.group_by(["customer_id", "status"]).aggregate([]).num_rows
    if "in order" in wanted:
        places = pc.sort_indices(table, [("country", "ascending"), ("amount", "descending")])
        again = table.select(["country", "amount"]).take(places)
        sums["in order"] = int(all(again[name].equals(table[name]) for name in again.column_names))
    return sums


if __name__ == "__main__":
    if sys.argv[1] == "expected":
        print(json.dumps(expected(Path(sys.argv[2]))))
    else:
        must = json.loads(sys.stdin.read())
        does = found(sys.argv[1], Path(sys.argv[2]), must)
        wrong = {k: [v, does.get(k)] for k, v in must.items() if abs(does.get(k, -1) - v) > 1e-7 * max(1, abs(v))}
        print(json.dumps(wrong))
