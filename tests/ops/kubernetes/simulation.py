"""What KEDA and the horizontal pod autoscaler make of a queue: their formulas, second by second, on a recorded trace.

The settings are those that the chart renders. What is modelled, and where it stands:

- KEDA asks each trigger every `pollingInterval`: at zero replicas, one that is above its activation starts one; with
  none active for `cooldownPeriod`, zero (keda.sh/docs, "Scaling deployments"; `pkg/scaling/executor`).
- Above zero, KEDA's HPA decides every 15 s (`--horizontal-pod-autoscaler-sync-period`): the largest of its metrics'
  proposals, a change only when the ratio is off by more than 10 %. AverageValue: ceil(value / target). Value:
  ceil(value / target * ready pods) (`replica_calculator.go`; kubernetes.io/docs, "Horizontal Pod Autoscaling").
- Then `behavior`: the largest proposal of the stabilisation window when going down, the smallest when going up, and
  the policies, of which the one that allows most counts, over what changed within their period (`horizontal.go`).
- A pod takes jobs `start` seconds after it is wanted. The youngest go first (the ReplicaSet prefers pods that are not
  ready, then the newest). They take no more jobs, have `drain` seconds to finish, then hand back what they run, which
  begins anew in its place in the queue; `grace` seconds after the order, they are killed.

What is not: nodes that are not to be had, pods that crash, a PostgreSQL that does not answer, and workspaces of which
one waits for another (`test_autoscaler.py` asks the real questions on real rows).
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SYNC = 15
TOLERANCE = 0.1


@dataclass
class Job:
    """One job of a trace: when it came, and how long it runs, in seconds."""

    arrived: float
    runs: float
    started: float | None = None
    ended: float | None = None
    handed_back: int = 0


def trace(path: Path, stretch: float = 1.0) -> list[Job]:
    """Read a recorded trace; with `stretch`, a second of the record stands for so many."""
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.DictReader(line for line in file if not line.startswith("#"))
        return [Job(float(line["arrived_s"]) * stretch, float(line["ran_s"]) * stretch) for line in lines]


@dataclass
class Pod:
    ready_at: float
    jobs: list[Job] = field(default_factory=list)
    told_to_stop: float | None = None


@dataclass(frozen=True)
class Cluster:
    """What the chart does not say: seconds until a new pod takes jobs, and how many jobs a workspace may run."""

    start: float = 45
    limit: int = 100


@dataclass
class Outcome:
    """What became of a trace: `replicas` as wanted, by second; `killed` counts jobs that died with their pod."""

    jobs: list[Job]
    replicas: list[int]
    killed: int

    @property
    def longest_wait(self) -> float:
        """From a job's arrival to its first start."""
        return max((job.started or math.inf) - job.arrived for job in self.jobs)

    @property
    def last_end(self) -> float:
        return max(job.ended or math.inf for job in self.jobs)

    @property
    def handed_back(self) -> int:
        return sum(job.handed_back for job in self.jobs)

    def changes(self) -> list[tuple[int, int]]:
        """Second and difference of each change of the number of workers."""
        return [
            (second, after - before)
            for second, (before, after) in enumerate(zip(self.replicas, self.replicas[1:], strict=False), 1)
            if after != before
        ]

    def flaps(self, within: float) -> list[int]:
        """When a worker was added so soon after one was taken away, although no job had come in between."""
        found, last_down = [], -math.inf
        for second, change in self.changes():
            if change < 0:
                last_down = second
            elif second - last_down < within:
                news = any(last_down - SYNC <= job.arrived <= second for job in self.jobs)
                found += [] if news else [second]
        return found


class Simulation:
    """One run of a trace against the autoscaler of a ScaledObject and the drain of a worker's pod."""

    def __init__(self, scaled: dict[str, Any], pod: dict[str, Any], cluster: Cluster | None = None) -> None:
        spec = scaled["spec"]
        self.cluster = cluster or Cluster()
        environment = {each["name"]: each.get("value") for each in pod["spec"]["containers"][0]["env"]}
        self.slots = int(environment["WORKER_CONCURRENCY"])
        self.drain = float(environment["WORKER_DRAIN_SECONDS"])
        self.grace = float(pod["spec"]["terminationGracePeriodSeconds"])
        self.polling, self.cooldown = spec["pollingInterval"], spec["cooldownPeriod"]
        self.least, self.most = spec["minReplicaCount"], spec["maxReplicaCount"]
        self.behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        metrics = {"places": self._places, "oldest": self._oldest}
        self.triggers: list[tuple[Callable[[], float], str, float, float]] = [
            (
                metrics[each["name"]],
                each["metricType"],
                float(each["metadata"]["targetQueryValue"]),
                float(each["metadata"]["activationTargetQueryValue"]),
            )
            for each in spec["triggers"]
        ]
        self.now = 0.0
        self.waiting: list[Job] = []
        self.pods: list[Pod] = []
        self.wanted = self.least
        self.active_at = -math.inf
        self.proposals: list[tuple[float, int]] = []
        self.events: list[tuple[float, int]] = []
        self.killed = 0

    # what the triggers' questions answer -----------------------------------------------------------------------

    @property
    def _running(self) -> int:
        return sum(len(pod.jobs) for pod in self.pods)

    def _places(self) -> float:
        return min(len(self.waiting) + self._running, self.cluster.limit)

    def _oldest(self) -> float:
        if not self.waiting or self._running >= self.cluster.limit:
            return 0
        return self.now - min(job.arrived for job in self.waiting)

    # who decides -----------------------------------------------------------------------------------------------

    def _keda(self) -> None:
        active = any(ask() > activation for ask, _, _, activation in self.triggers)
        if active:
            self.active_at = self.now
            if self.wanted == 0:
                self.wanted = max(self.least, 1)
        elif self.wanted > 0 and self.least == 0 and self.now - self.active_at > self.cooldown:
            self.wanted = 0
            self.proposals.clear()

    def _proposal(self) -> int:
        current, ready = self.wanted, sum(pod.ready_at <= self.now and pod.told_to_stop is None for pod in self.pods)
        found = []
        for ask, kind, target, _ in self.triggers:
            value = ask()
            ratio = value / (target * current) if kind == "AverageValue" else value / target
            if abs(1 - ratio) <= TOLERANCE:
                found.append(current)
            else:
                found.append(math.ceil(value / target if kind == "AverageValue" else ratio * ready))
        return max(found)

    def _changed(self, seconds: float, sign: int) -> int:
        return sum(abs(change) for when, change in self.events if self.now - when < seconds and change * sign > 0)

    def _allowed(self, rules: dict[str, Any], sign: int) -> int:
        """The furthest that policies let the number go in one direction."""
        limits = []
        for policy in rules["policies"]:
            seconds = policy["periodSeconds"]
            begun = self.wanted - self._changed(seconds, 1) + self._changed(seconds, -1)
            step = policy["value"] if policy["type"] == "Pods" else begun * policy["value"] / 100
            limits.append(math.ceil(begun + step) if sign > 0 else math.floor(begun - step))
        return max(limits) if sign > 0 else min(limits)

    def _autoscale(self) -> None:
        proposal = self._proposal()
        self.proposals.append((self.now, proposal))
        up, down = self.behavior["scaleUp"], self.behavior["scaleDown"]

        def within(rules: dict[str, Any]) -> Iterable[int]:
            window = rules["stabilizationWindowSeconds"]
            return [each for when, each in self.proposals if self.now - when <= window]

        lowest, highest = min(within(up)), max(within(down))
        target = self.wanted
        if target < lowest:
            target = min(lowest, max(self._allowed(up, 1), self.wanted))
        elif target > highest:
            target = max(highest, min(self._allowed(down, -1), self.wanted))
        target = min(max(target, self.least, 1), self.most)
        if target != self.wanted:
            self.events.append((self.now, target - self.wanted))
            self.wanted = target

    # what the cluster does -------------------------------------------------------------------------------------

    def _replicas(self) -> None:
        kept = [pod for pod in self.pods if pod.told_to_stop is None]
        self.pods += [Pod(self.now + self.cluster.start) for _ in range(self.wanted - len(kept))]
        youngest = sorted(kept, key=lambda pod: pod.ready_at, reverse=True)
        for pod in youngest[: max(len(kept) - self.wanted, 0)]:
            pod.told_to_stop = self.now

    def _work(self) -> None:
        for pod in list(self.pods):
            for job in [job for job in pod.jobs if self.now - self._begun[id(job)] >= job.runs]:
                job.ended = self.now
                pod.jobs.remove(job)
            stopping = pod.told_to_stop
            if stopping is None:
                continue
            if self.now - stopping >= self.grace:
                self.killed += len(pod.jobs)
            if self.now - stopping >= self.drain:
                for job in pod.jobs:
                    job.handed_back += 1
                self.waiting += pod.jobs
                pod.jobs = []
            if not pod.jobs:
                self.pods.remove(pod)
        self.waiting.sort(key=lambda job: job.arrived)
        ready = [pod for pod in self.pods if pod.told_to_stop is None and pod.ready_at <= self.now]
        while self.waiting and self._running < self.cluster.limit and any(len(pod.jobs) < self.slots for pod in ready):
            # whoever is free takes a job; that it is the youngest is the worst for those that go
            pod = min(reversed(ready), key=lambda pod: len(pod.jobs))
            job = self.waiting.pop(0)
            job.started = self.now if job.started is None else job.started
            self._begun[id(job)] = self.now
            pod.jobs.append(job)

    def run(self, jobs: list[Job], *, rest: float = 3600) -> Outcome:
        """Play a trace and the time after its last job; a job that never ends ends it after a week."""
        self._begun: dict[int, float] = {}
        coming, replicas = sorted(jobs, key=lambda job: job.arrived), []
        over: float | None = None
        while over is None or self.now < over + rest:
            while coming and coming[0].arrived <= self.now:
                self.waiting.append(coming.pop(0))
            self._work()
            if self.now % self.polling == 0:
                self._keda()
            if self.now % SYNC == 0 and self.wanted > 0:
                self._autoscale()
            self._replicas()
            replicas.append(self.wanted)
            if over is None and not coming and not self.waiting and not self._running:
                over = self.now
            self.now += 1
            assert self.now < 7 * 86_400, "jobs that never end"
        return Outcome(jobs, replicas, self.killed)
