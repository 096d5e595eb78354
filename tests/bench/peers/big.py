"""A CSV of 20 GB, far beyond memory, beside the one of 1 GB: W1 and W3 must need no more memory for it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from tests.bench.peers.run import KARYAKSHAM, PIPELINES, Ran, home, once

BYTES = 20 * 10**9
WORKS = {"W1": "csv", "W3": "parquet"}


def make(orders: Path) -> tuple[Path, int]:
    """The rows of the file again and again, until they are 20 GB; how often."""
    times = -(-BYTES // orders.stat().st_size)
    path = home() / "big.csv"
    with path.open("wb") as out:
        for number in range(times):
            with orders.open("rb") as source:
                header = source.readline()
                if number == 0:
                    out.write(header)
                shutil.copyfileobj(source, out, 1 << 24)
    return path, times


def rows_of(output: Path) -> int:
    """Rows of a result."""
    if output.suffix == ".parquet":
        return int(pq.read_metadata(output).num_rows)
    with output.open("rb") as lines:
        return sum(block.count(b"\n") for block in iter(lambda: lines.read(1 << 24), b"")) - 1


def run(work: str, source: Path) -> tuple[Ran, int]:
    """Run a workload once, whole process; what it took, and the rows that came out."""
    output = home() / f"big-out.{WORKS[work]}"
    spec = str(PIPELINES / f"{work.lower()}.json")
    ran = once([KARYAKSHAM, "run", spec, "--input", str(source), "--output", str(output)], output, False)
    rows = rows_of(output)
    output.unlink()
    return ran, rows


def measure(orders: Path) -> list[str]:
    """Figures as lines of Markdown; `RuntimeError` if a row is missing."""
    big, times = make(orders)
    lines = ["| | seconds | GB/s | own memory, MB |", "| --- | --- | --- | --- |"]
    try:
        for work in WORKS:
            found = {source: run(work, source) for source in (orders, big)}
            if found[big][1] != times * found[orders][1]:
                raise RuntimeError(f"{work}: {found[big][1]} rows of {times} × {found[orders][1]}")
            for source, (ran, _) in found.items():
                size = source.stat().st_size / 1e9
                lines.append(
                    f"| {work}, {size:.1f} GB | {ran.wall:.1f} | {size / ran.wall:.2f} | {ran.own / 1e6:.0f} |"
                )
    finally:
        big.unlink()
    return [*lines, "", f"One run each, whole processes; the big file is the small one's rows {times} times."]
