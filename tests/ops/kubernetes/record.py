"""`python -m tests.ops.kubernetes.record FILE`: records a queue, for `test_scaling.py` to play it to the autoscaler.

A real stack with two workers, and people who start jobs through the API: some now and then, many at once, some that
take long. Of each job it keeps when it came and how long it ran, in seconds, as PostgreSQL has them; how long it waited
there is what the autoscaler is to decide. Takes about three minutes.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from tests.stack import Account, Stack, stack_in

QUICK = {"version": 1, "steps": [{"filter": {"where": "id > 5"}}], "output": {"format": "csv"}}
SLOW = {"version": 1, "steps": [{"sort": {"by": [{"column": "name"}]}}], "output": {"format": "parquet"}}
ROWS = 1_000_000
# seconds after the start: how many jobs at once, and whether they take long
PLAN = [
    *((second, 1, False) for second in range(0, 30, 3)),
    (30, 60, False),
    (45, 6, True),
    *((second, 2, False) for second in range(60, 90, 2)),
    (100, 200, False),
    (101, 12, True),
    (150, 1, True),
]


async def rows(stack: Stack) -> list[tuple[float, float]]:
    connection = await asyncpg.connect(stack.environment["MIGRATION_DATABASE_URL"].replace("+asyncpg", ""))
    try:
        await connection.execute("SET row_security = off")
        found = await connection.fetch(
            "SELECT EXTRACT(epoch FROM created_at - min(created_at) OVER ())::float8, "
            "EXTRACT(epoch FROM finished_at - started_at)::float8 FROM jobs WHERE status = 'SUCCEEDED' ORDER BY 1"
        )
        return [(row[0], row[1]) for row in found]
    finally:
        await connection.close()


def start(people: list[tuple[Account, str, str]], number: int, *, slow: bool) -> list[tuple[Account, str]]:
    made = []
    for each in range(number):
        account, small, large = people[each % len(people)]
        made.append((account, account.start_job(SLOW if slow else QUICK, input=large if slow else small)))
    return made


def main() -> None:
    """Record into the file."""
    with tempfile.TemporaryDirectory() as folder, stack_in(Path(folder) / "data", workers=2) as stack:
        small = "id,name\n" + "".join(f"{number},name {number}\n" for number in range(100))
        lines = (f"{number},name {number * 104_729 % ROWS}\n" for number in range(ROWS))
        large = "id,name\n" + "".join(lines)
        people = []
        for _ in range(3):
            account = stack.register()
            people.append((account, account.upload(small, "small.csv"), account.upload(large, "large.csv")))
        begun, started = time.monotonic(), []
        for second, number, slow in PLAN:
            time.sleep(max(0.0, begun + second - time.monotonic()))
            started += start(people, number, slow=slow)
        for account, job in started:
            assert account.wait_job(job)["status"] == "SUCCEEDED"
        found = asyncio.run(rows(stack))
        assert len(found) == len(started)
    head = f"# Recorded by tests/ops/kubernetes/record.py on {datetime.now(UTC):%Y-%m-%d}: two workers, two cores.\n"
    text = "".join(f"{arrived:.3f},{ran:.3f}\n" for arrived, ran in found)
    Path(sys.argv[1]).write_text(f"{head}arrived_s,ran_s\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main()
