"""`python -m ops.demo`: a file's whole way, shown and checked; exit code 0 only when every answer is right."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas as pd  # type: ignore[import-untyped]  # it publishes no types
import polars as pl
from polars.testing import assert_frame_equal

from ops.demo.orders import Expected, expected, write_orders
from ops.demo.service import DemoError, Service, stack, wait_ready

ROWS = 1_300_000
SUMMARY = {
    "version": 1,
    "steps": [
        {"filter": {"where": "country = 'India' AND amount > 100"}},
        {
            "aggregate": {
                "groupBy": ["status"],
                "aggregates": [{"name": "n", "expr": "count(*)"}, {"name": "amount", "expr": "sum(amount)"}],
            }
        },
        {"sort": {"by": [{"column": "status"}]}},
    ],
    "output": {"format": "csv"},
}
CONVERSION = {"version": 1, "steps": [], "output": {"format": "parquet", "compression": "zstd", "level": 1}}


def say(text: str = "") -> None:
    """Print at once."""
    print(text, flush=True)


def load(snippet: str) -> Any:
    """Run a copy-paste snippet that the service gives; returns its `df`."""
    names: dict[str, Any] = {}
    exec(snippet, names)  # noqa: S102  # that it runs as it stands is what the demo shows
    frames = [value for value in names.values() if isinstance(value, pl.DataFrame | pd.DataFrame)]
    if len(frames) != 1:
        raise DemoError(f"the snippet makes {len(frames)} frames:\n{snippet}")
    return frames[0]


def check_summary(frame: pd.DataFrame, wanted: Expected) -> None:
    """Compare the aggregate with the independent computation."""
    found = {row.status: (int(row.n), float(row.amount)) for row in frame.itertuples()}
    same = found.keys() == wanted.by_status.keys() and all(
        found[key][0] == n and abs(found[key][1] - amount) <= 1e-6 * abs(amount)
        for key, (n, amount) in wanted.by_status.items()
    )
    if not same:
        raise DemoError(f"the aggregate is wrong: {found}, expected {wanted.by_status}")


def check_conversion(frame: pl.DataFrame, source: Path) -> None:
    """Compare each row of the converted file with the source, as another engine reads it."""
    columns = ["order_id", "customer_id", "postcode", "quantity", "amount", "note"]
    plain = pl.read_csv(source, columns=columns, schema_overrides={"postcode": pl.String})
    assert_frame_equal(frame.select(columns).sort("order_id"), plain, check_dtypes=False)


def tour(folder: Path) -> None:
    """Everything, in order."""
    source = folder / "orders.csv"
    with stack(folder) as process:
        started = time.monotonic()
        write_orders(source, ROWS)
        say(f"Made {source.name}: {source.stat().st_size / 1e6:.0f} MB, {ROWS:,} orders.")
        ready = wait_ready(folder, process)
        say(f"`karyaksham up` answers at {ready['url']} ({time.monotonic() - started:.1f} s).\n")
        service = Service(ready)

        say(f"Uploading as {service.email}, in parts, straight to storage by presigned URLs:")
        dataset, found = service.upload(source)
        columns = ", ".join(f"{column['name']} {column['type']}" for column in found["schema"])
        say(f"  {found['format']}, about {int(found['rowEstimate']):,} rows: {columns}\n")

        say("Running two jobs, watched by subscription:")
        summary = service.run("aggregate", SUMMARY, dataset)
        conversion = service.run("to Parquet", CONVERSION, dataset)
        say()

        say("Pulling the results by Arrow Flight, with the snippets that each job offers.\n")
        in_pandas = load(summary["result"]["flight"]["snippets"]["pandas"])
        say("The aggregate in pandas:")
        say(str(in_pandas) + "\n")
        began = time.monotonic()
        in_polars = load(conversion["result"]["flight"]["snippets"]["polars"])
        say(f"The conversion in Polars ({time.monotonic() - began:.1f} s):")
        say(str(in_polars) + "\n")

        check_summary(in_pandas, expected(source))
        check_conversion(in_polars, source)
        counters = conversion["progress"]
        say(
            f"Checked against an independent computation: the aggregate and all {in_polars.height:,} rows are right; "
            f"{int(counters['rowsIn']):,} in = {int(counters['rowsOut']):,} out + {int(counters['rowsFiltered']):,} "
            f"filtered + {int(counters['rowsRejected']):,} rejected."
        )
        for job in (summary, conversion):
            (file,) = job["result"]["files"]
            say(f"Download {file['name']} ({int(file['sizeBytes']):,} bytes): {file['url']}")
    say("Stopped cleanly.")


def main() -> int:
    """Run the tour; returns the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="karyaksham-demo-") as folder:
        try:
            tour(Path(folder))
        except (DemoError, AssertionError) as error:
            say(f"The demo failed: {error}")
            with contextlib.suppress(OSError):
                say((Path(folder) / "up.log").read_text(encoding="utf-8"))
            return 1
    say(f"The demo took {time.monotonic() - began:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
