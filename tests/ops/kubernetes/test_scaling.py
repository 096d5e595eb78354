"""The chart's autoscaler on recorded queues: nobody waits long, it does not flap, it goes to zero, no job is killed."""

from __future__ import annotations

import random
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from tests.ops.kubernetes.chart import of_kind, pods
from tests.ops.kubernetes.simulation import SYNC, Cluster, Job, Outcome, Simulation, trace

SCALED: dict[str, Any] = of_kind("plain", "ScaledObject")["karyaksham-worker"]
WORKER = pods("plain")["worker"]
SPEC = SCALED["spec"]
RECORDED = Path(__file__).parents[2] / "cases/queue/bursts.csv"
# As it was, jobs of a second or so; and as if a second were twenty, jobs of up to a minute and a half over an hour
STRETCHES = [1.0, 20.0]
# a pod on a node that is there, and one whose node has to be started first
STARTS = [45.0, 180.0]
# policies let the number of workers go from 1 over 5 and 10 to 20: three steps of half a minute, seen at the next look
RAMP = 3 * 30 + SYNC

cases = pytest.mark.parametrize(("stretch", "start"), [(each, start) for each in STRETCHES for start in STARTS])


def play(jobs: list[Job], scaled: dict[str, Any] = SCALED, worker: dict[str, Any] = WORKER, **cluster: Any) -> Outcome:
    return Simulation(scaled, worker, Cluster(**cluster)).run(jobs)


def changed(**changes: Any) -> dict[str, Any]:
    """The ScaledObject with another spec."""
    found = deepcopy(SCALED)
    found["spec"] |= changes
    return found


@cases
def test_the_oldest_waits_little_longer_than_with_all_workers_there(stretch: float, start: float) -> None:
    outcome = play(trace(RECORDED, stretch), start=start)
    full = changed(minReplicaCount=SPEC["maxReplicaCount"])
    best = play([Job(start + job.arrived, job.runs) for job in trace(RECORDED, stretch)], full, start=start)
    assert max(best.replicas) == min(best.replicas) == SPEC["maxReplicaCount"]
    assert outcome.longest_wait <= best.longest_wait + SPEC["pollingInterval"] + start + RAMP


@cases
def test_it_does_not_flap(stretch: float, start: float) -> None:
    assert play(trace(RECORDED, stretch), start=start).flaps(600) == []


@cases
def test_it_goes_to_zero_and_stays_there(stretch: float, start: float) -> None:
    outcome = play(trace(RECORDED, stretch), start=start)
    zero = int(outcome.last_end) + SPEC["cooldownPeriod"] + 2 * SPEC["pollingInterval"]
    assert set(outcome.replicas[zero:]) == {0}
    assert len(outcome.replicas) > zero


@cases
def test_a_worker_that_drains_is_never_killed_with_a_job(stretch: float, start: float) -> None:
    outcome = play(trace(RECORDED, stretch), start=start)
    assert outcome.killed == 0
    # all that ran was shorter than a drain
    assert max(job.runs for job in outcome.jobs) < Simulation(SCALED, WORKER).drain
    assert outcome.handed_back == 0


def test_a_workspace_at_its_limit_asks_for_no_more_workers() -> None:
    outcome = play([Job(0, 20) for _ in range(100)], limit=2)
    assert max(outcome.replicas) == 1


def test_steady_work_keeps_a_steady_number() -> None:
    """Jobs that come at random, 5 at once on average, over two hours."""
    chance, now, jobs = random.Random(7), 0.0, []
    while now < 7200:
        now += chance.expovariate(1 / 6)
        jobs.append(Job(now, chance.expovariate(1 / 30)))
    outcome = play(jobs)
    assert outcome.flaps(600) == []
    assert outcome.killed == 0
    # the count may be corrected now and then, not at each look (480 of them)
    assert len(outcome.changes()) < 40
    hasty = changed(
        advanced={
            "horizontalPodAutoscalerConfig": {
                "behavior": SPEC["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
                | {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 0,
                        "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
                    }
                }
            }
        }
    )
    # what the slow way down is for
    assert len(play([Job(job.arrived, job.runs) for job in jobs], hasty).changes()) > 3 * len(outcome.changes())


def test_jobs_longer_than_a_drain_are_handed_back_when_it_goes_down() -> None:
    """docs/deploy.md says so: they end, late; `worker.drainSeconds` above their length spares them."""
    long = [Job(minute * 60.0, 1500) for minute in range(60)]
    outcome = play([Job(job.arrived, job.runs) for job in long])
    assert outcome.killed == 0
    assert outcome.handed_back > 0
    patient = deepcopy(WORKER)
    for each in patient["spec"]["containers"][0]["env"]:
        if each["name"] == "WORKER_DRAIN_SECONDS":
            each["value"] = "1800"
    patient["spec"]["terminationGracePeriodSeconds"] = 1815
    spared = play(long, worker=patient)
    assert (spared.killed, spared.handed_back) == (0, 0)
    assert spared.last_end < outcome.last_end
