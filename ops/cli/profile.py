"""`karyaksham profile`: what each column of a file holds, by the engine alone."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ops.cli.run import input_request, storage_options

_HEADER = ("column", "type", "nulls", "distinct", "min", "median", "max", "most frequent")
_WIDTH = 32


def main(options: argparse.Namespace) -> int:
    """Print the profile; returns the exit code."""
    import engine

    source = input_request(options.file)
    request: dict[str, Any] = {"input": source, "storage": storage_options({"input": source})}
    if options.column:
        request["columns"] = options.column
    if options.threads:
        request["threads"] = options.threads
    text = engine.profile(json.dumps(request))
    if options.json:
        print(text)
        return 0
    report: dict[str, Any] = json.loads(text)
    rejected = f", {report['rowsRejected']:,} more could not be read" if report["rowsRejected"] else ""
    print(f"{report['rows']:,} rows{rejected}; {report['sizeBytes']:,} bytes of {report['format']}")
    for line in table([_HEADER, *(_row(column) for column in report["columns"])]):
        print(line)
    if not all(column["distinctExact"] for column in report["columns"] if column["distinct"] is not None):
        print("~ estimated, within 3 %")
    return 0


def table(rows: list[tuple[str, ...]]) -> list[str]:
    """Return lines in which columns stand under each other; cells are cut off at 32 characters."""
    cells = [[cell if len(cell) <= _WIDTH else f"{cell[: _WIDTH - 1]}…" for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _row(column: dict[str, Any]) -> tuple[str, ...]:
    distinct = column["distinct"]
    median = next((quantile["value"] for quantile in column["quantiles"] if quantile["p"] == 0.5), None)
    top = column["topValues"]
    return (
        column["name"],
        column["type"],
        f"{column['nulls']:,}",
        "" if distinct is None else f"{'' if column['distinctExact'] else '~'}{distinct:,}",
        _shown(column["min"]),
        _shown(median),
        _shown(column["max"]),
        f"{_shown(top[0]['value'])} ({top[0]['count']:,})" if top and top[0]["count"] > 1 else "",
    )


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value).replace("\n", "⏎")
