"""`python -m tests.bench.dirty`: how many dirty files are read exactly, by us and by others, without any parameter.

A file counts if the names and all values of all rows of its table come back, nothing more and nothing less. A number
may come as number or as text, and a date in ISO 8601 or as it stands. Rows that are no part of the table (totals,
notes, ragged ones, another table) must not turn up among the others. Prints a table, and writes RESULTS.md here.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.dirty.files import Dirty, dirty_files

HERE = Path(__file__).parent
Table = tuple[list[str], list[list[Any]]]


def ours(path: Path) -> Table:
    """Our engine, as a conversion to NDJSON."""
    import engine

    output = path.with_suffix(".out")
    request = {
        "spec": {"version": 1, "output": {"format": "ndjson"}},
        "inputs": {"input": {"url": str(path)}},
        "output": {"url": str(output), "overwrite": True},
    }
    report = json.loads(engine.submit(json.dumps(request)).wait())
    names = [column["name"] for column in report["schema"]]
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    return names, [[row.get(name) for name in names] for row in rows]


def by_duckdb(path: Path) -> Table:
    """DuckDB's `read_csv`."""
    import duckdb

    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_csv(?)", [str(path)])
        return [column[0] for column in found.description], [list(row) for row in found.fetchall()]


def by_pandas(path: Path) -> Table:
    """pandas' `read_csv`."""
    import pandas as pd

    frame = pd.read_csv(path)
    rows = frame.astype(object).where(frame.notna(), None).to_numpy().tolist()
    return [str(name) for name in frame.columns], rows


def by_polars(path: Path) -> Table:
    """Polars' `read_csv`."""
    import polars as pl

    frame = pl.read_csv(path)
    return frame.columns, [list(row) for row in frame.rows()]


READERS: dict[str, Callable[[Path], Table]] = {
    "karyaksham": ours,
    "DuckDB": by_duckdb,
    "pandas": by_pandas,
    "Polars": by_polars,
}


def plain(value: Any) -> str:
    """A value as a text that is the same for all spellings of it."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    text = str(value)
    zeros = len(text) > 1 and text[0] == "0" and text[1].isdigit()
    try:
        return text if zeros or len(text) > 17 else repr(float(text))
    except ValueError:
        parts = text.split("/")
        if len(parts) == 3 and len(parts[2]) == 4:
            return "-".join(reversed(parts))
        point = text.replace(",", ".")
        return repr(float(point)) if text.count(",") == 1 and point.replace(".", "").isdigit() else text


def reads(reader: Callable[[Path], Table], path: Path, file: Dirty) -> bool:
    """Whether a reader sees the file's table."""
    try:
        names, rows = reader(path)
    except Exception:  # noqa: BLE001 - whatever it is, the file was not read
        return False
    if file.header and names != file.header:
        return False
    return [[plain(value) for value in row] for row in rows] == [[plain(text) for text in row] for row in file.rows]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.dirty")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--each", type=int, default=5, help="files of each kind")
    options = parser.parse_args()
    files = dirty_files(options.seed, options.each)
    counts: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, file in enumerate(files):
            path = Path(folder) / f"{number}{file.suffix}"
            path.write_bytes(file.data)
            row = counts.setdefault(file.kind, dict.fromkeys(READERS, 0))
            for name, reader in READERS.items():
                row[name] += reads(reader, path, file)
    versions = ", ".join(f"{name} {version(name.lower())}" for name in READERS if name != "karyaksham")
    lines = [
        f"Files read exactly without any parameter, of {options.each} of each kind (seed {options.seed}; {versions}; "
        f"Python {platform.python_version()}; {datetime.now(UTC):%Y-%m-%d}).",
        "",
        "| kind of dirt | " + " | ".join(READERS) + " |",
        "| --- |" + " ---: |" * len(READERS),
        *(f"| {kind} | " + " | ".join(str(row[name]) for name in READERS) + " |" for kind, row in counts.items()),
        f"| **all {len(files)}** | "
        + " | ".join(f"**{sum(row[name] for row in counts.values())}**" for name in READERS)
        + " |",
    ]
    text = "\n".join(lines)
    print(text)
    (HERE / "RESULTS.md").write_text(f"# Dirty files\n\n{text}\n")


if __name__ == "__main__":
    main()
