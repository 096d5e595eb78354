"""What a job held goes back to the system when it has ended: a worker that waits holds next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.engine.conftest import request
from tests.processes import PATIENCE

ROWS = 600_000

# In a process of its own: this one holds what other tests left.
SCRIPT = """
import json, re, sys, time
import engine

def anonymous():
    return int(re.search(r"RssAnon:\\s+(\\d+) kB", open("/proc/self/status").read())[1])

before = peak = anonymous()
job = engine.submit(sys.argv[1])
report = None
while report is None:
    try:
        report = job.wait(0.02)
    except TimeoutError:
        peak = max(peak, anonymous())
until = time.monotonic() + float(sys.argv[2])
while anonymous() > before + (peak - before) / 2 and time.monotonic() < until:
    time.sleep(0.05)
print(json.dumps([before, peak, anonymous()]))
"""


def test_a_job_that_has_ended_holds_little_of_what_it_held(tmp_path: Path) -> None:
    source = tmp_path / "input.csv"
    with source.open("w") as file:
        file.write("number,text,other\n")
        file.writelines(f"{row},a text that hardly repeats {row * 7919},{row % 1000}\n" for row in range(ROWS))
    spec = {"steps": [], "output": {"format": "parquet"}}
    order = request(spec, {"input": source}, tmp_path / "out.parquet")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, order, str(PATIENCE)], check=True, capture_output=True, text=True
    )
    before, peak, after = json.loads(run.stdout)
    assert peak > before + 10_000, "it held so little that nothing is shown"
    assert after <= before + (peak - before) / 2
