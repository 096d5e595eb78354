"""The short form of the fault suite, one seed in a minute or two; `make faults` is the long one.

No connection to S3 goes silent under this seed: the engine would wait two minutes for it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.chaos import schedule
from tests.faults.suite import Plan, Suite

# leases outlast a stall of a loaded machine and end soon enough for a test; attempts suffice for stalls besides faults
QUICK = {"LEASE_SECONDS": "8", "HEARTBEAT_SECONDS": "1", "MAX_ATTEMPTS": "12"}


@pytest.mark.timeout(1800)
def test_jobs_survive_a_minute_of_faults(tmp_path: Path) -> None:
    """No figure is held to a time: only what must be true of every job, once all faults are over."""
    plan = Plan(
        seed=91, jobs=24, seconds=45, workers=2, pause=2.5, big_rows=60_000, settings=QUICK, longest=10.0, hurry=True
    )
    report = Suite(plan, tmp_path / "ground", print).run()
    print(report)
    assert not report.problems, str(report)


def test_a_schedule_is_its_seeds_alone() -> None:
    one, same, other = (schedule(seed, 300, workers=3, disks=True, clocks=True) for seed in (5, 5, 6))
    assert one == same
    assert one != other
    assert {fault.family for fault in one} == {"network", "kill", "stop", "disk", "clock"}
