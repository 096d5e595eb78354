"""How long a job takes to end after it was cancelled, at points spread over its run."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

import engine
from engine.exceptions import EngineError
from tests.bench.peers.run import PIPELINES

# Name, pipeline, memory limit in MiB.
JOBS: list[tuple[str, str, int | None]] = [
    ("filter, the direct way", "w1", None),
    ("CSV → Parquet", "w3", None),
    ("group by", "w4", None),
    ("sort in memory", "w6", None),
    ("sort with spilling", "w6", 512),
    ("join", "w7", None),
    ("distinct", "w10", None),
    ("distinct with spilling", "w10", 96),
]


def seconds_to_end(handle: Any, after: float) -> float | None:
    """Cancel a job `after` seconds; return the seconds until it ended, `None` if it had ended before."""
    time.sleep(after)
    if handle.is_done():
        return None
    started = time.perf_counter()
    handle.cancel()
    try:
        handle.wait(60)
    except EngineError as error:
        if error.code != "CANCELLED":
            raise
    return time.perf_counter() - started


def measure(orders: Path, points: int) -> list[str]:
    """A table as lines of Markdown."""
    lines = ["| job | cancelled | median ms | slowest ms |", "| --- | --- | --- | --- |"]
    customers = orders.with_name("customers.csv")
    for name, pipeline, limit in JOBS:
        with tempfile.TemporaryDirectory(dir=orders.parent) as folder:
            request: dict[str, Any] = {
                "spec": json.loads((PIPELINES / f"{pipeline}.json").read_text()),
                "inputs": {"input": {"url": str(orders)}},
                "output": {"url": str(Path(folder) / "out"), "overwrite": True},
                "memoryLimitBytes": limit and limit << 20,
                "spillDir": folder,
            }
            if pipeline == "w7":
                request["inputs"]["customers"] = {"url": str(customers)}
            text = json.dumps(request)
            started = time.perf_counter()
            engine.submit(text).wait(600)
            whole = time.perf_counter() - started
            times = [seconds_to_end(engine.submit(text), whole * (n + 0.5) / points) for n in range(points)]
        ended = sorted(1000 * seconds for seconds in times if seconds is not None)
        lines.append(f"| {name} | {len(ended)} times | {ended[len(ended) // 2]:.0f} | {ended[-1]:.0f} |")
        print(lines[-1], [round(t * 1000) if t else None for t in times], flush=True)
    return [*lines, "", f"Each job cancelled at {points} points spread over its run."]
