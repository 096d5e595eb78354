"""One run: jobs with known answers, a seeded schedule of faults, then quiet, then every invariant."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from tests.faults import check
from tests.faults.cases import BIG_ROWS, Case, Cases
from tests.faults.chaos import LONGEST_SECONDS, Chaos, schedule
from tests.faults.client import Clients, tenant
from tests.faults.ground import Ground, ground_in, send
from tests.faults.proxy import Hurt
from tests.faults.recovery import Recoveries, figures
from tests.faults.truth import Truth
from tests.processes import PATIENCE
from tests.stack import Account

Say = Callable[[str], None]
UNFINISHED = "SELECT count(*) AS n FROM jobs WHERE status IN ('PENDING', 'RUNNING')"
UNCLEARED = """SELECT count(*) AS n FROM job_attempts
WHERE finished_at IS NOT NULL AND outcome <> 'SUCCEEDED' AND cleaned_at IS NULL"""
# asyncio's word for an error that nobody looked at
UNRETRIEVED = "was never retrieved"
AGE = "UPDATE job_attempts SET finished_at = finished_at - interval '10 minutes' WHERE cleaned_at IS NULL"
# an outage that the last fault left behind may take the engine's whole patience with storage, more than once
QUIET_SECONDS = 6 * PATIENCE
# Storage is far away and slow all the time, so that faults find jobs in the middle of their work.
SLOW = (Hurt("delay", "up", amount=0.15), Hurt("throttle", "down", amount=2_500_000.0))
SETTINGS = {
    # many faults hit one job: enough attempts that most succeed, and some still use them up
    "MAX_ATTEMPTS": "8",
    "JOB_MEMORY_LIMIT_BYTES": str(64 * 1024 * 1024),
    "JOB_THREADS": "1",
}


@dataclass(frozen=True)
class Plan:
    """What one run is to be."""

    seed: int
    jobs: int
    seconds: float
    workers: int = 3
    pause: float = 3.0
    longest: float = LONGEST_SECONDS
    big_rows: int = BIG_ROWS
    settings: Mapping[str, str] = field(default_factory=dict)
    small_disks: bool = False
    clocks: bool = True
    hurry: bool = False  # do not wait out the time after which the purge clears lost attempts
    recoveries: int = 0  # workers killed afterwards, one by one, on a healthy stack


@dataclass
class Report:
    """What came of it."""

    plan: Plan
    problems: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    histories: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = [f"seed {self.plan.seed}", *self.lines]
        if self.problems:
            parts += [f"{len(self.problems)} PROBLEMS", *self.problems]
            parts += ["", "faults:", *self.faults, "", *self.histories]
        return "\n".join(parts)

    @property
    def whole(self) -> str:
        """With the log of faults, problems or none."""
        return str(self) if self.problems else "\n".join([str(self), "", *self.faults])


def unretrieved(logs: Path) -> list[str]:
    """Each place in the logs where an error was looked at by nobody, with what follows: the folder does not last."""
    found = []
    for log in sorted(logs.glob("*.log*")):
        first, *others = log.read_text(errors="replace").split(UNRETRIEVED)
        before = first
        for text in others:
            found.append(f"{log.name}: {before[-300:]}{UNRETRIEVED}{text[:3000]}")
            before = text
    return found


class Suite:
    """Runs a plan on a ground of its own."""

    def __init__(self, plan: Plan, folder: Path, say: Say) -> None:
        self.plan = plan
        self._folder = folder
        self._say = say
        self._report = Report(plan)
        self._cases = Cases(plan.seed, big_rows=plan.big_rows)

    def run(self) -> Report:
        """Do all of it; raises only when the ground itself cannot be laid."""
        plan = self.plan
        with (
            ground_in(
                self._folder,
                random.Random(f"{plan.seed} proxies"),
                workers=plan.workers,
                settings={**SETTINGS, **plan.settings},
                small_disks=plan.small_disks,
                clocks=plan.clocks,
            ) as ground,
            Truth(ground.direct) as truth,
            Recoveries(truth) as recoveries,
        ):
            tenants = [tenant(ground.service, self._cases) for _ in range(2)]
            clients = Clients(tenants, self._cases, plan.seed)
            chaos = Chaos(ground, recoveries.before_kill)
            try:
                self._storm(ground, chaos, clients)
                clients.end()
                self._quiet(truth)
                self._clear(truth)
                self._check(clients, truth)
                self._lines(ground, chaos, clients, truth, recoveries)
                if plan.recoveries and not self._report.problems:
                    self._recoveries(ground, truth, tenants[0])
            finally:
                clients.stop()
                chaos.undo_all()
                self._report.faults = chaos.log
                (self._folder / "report.txt").write_text(self._report.whole)
        return self._report

    def _storm(self, ground: Ground, chaos: Chaos, clients: Clients) -> None:
        plan = self.plan
        faults = schedule(
            plan.seed,
            plan.seconds,
            workers=plan.workers,
            disks=bool(ground.disks),
            clocks=ground.clocks.available,
            pause=plan.pause,
            longest=plan.longest,
        )
        families = Counter(fault.family for fault in faults)
        self._say(f"{plan.jobs} jobs, {len(faults)} faults in {plan.seconds:.0f} s: {dict(families)}")
        for hurt in SLOW:
            ground.proxies["s3"].hurt(hurt)
        clients.begin(plan.jobs, plan.seconds)
        chaos.run(faults, threading.Event())
        self._report.lines.append(f"{plan.jobs} jobs under {len(faults)} faults: {dict(families)}")

    def _until_none(self, truth: Truth, sql: str, seconds: float, what: str) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                (row,) = truth.rows(sql)
            except (OSError, TimeoutError):
                row = {"n": "an unknown number of"}
            if row["n"] == 0:
                return
            if time.monotonic() > deadline:
                self._report.problems.append(f"{row['n']} {what} after {seconds:.0f} s without faults")
                return
            time.sleep(0.5)

    def _quiet(self, truth: Truth) -> None:
        self._say("all faults are over; waiting for the jobs to end")
        began = time.monotonic()
        self._until_none(truth, UNFINISHED, QUIET_SECONDS, "jobs have not ended")
        self._say(f"quiet after {time.monotonic() - began:.0f} s")

    def _clear(self, truth: Truth) -> None:
        if self.plan.hurry:
            truth.rows(AGE)
        self._until_none(truth, UNCLEARED, 2 * PATIENCE, "lost attempts are not cleared")

    def _check(self, clients: Clients, truth: Truth) -> None:
        history = check.History(truth)
        cases = {promise.key: promise.case for promise in clients.promises}

        def case_of(job: check.Row) -> Case | None:
            return cases.get(job["idempotency_key"])

        found: list[tuple[UUID | None, str]] = [
            *check.promises_kept(clients.promises, history),
            *check.states(history),
            *check.answers(history, case_of, truth.read),
            *check.histories(history),
            *check.tenants(history),
        ]
        deadline = time.monotonic() + PATIENCE
        unlisted: set[str] = set()
        while True:
            listed = truth.keys()
            unlisted = truth.there(check.unlisted(history, listed))
            left = list(check.orphans(history, listed | unlisted, truth.multiparts()))
            if not left:
                break
            if time.monotonic() > deadline:  # a zombie's last bytes may still have been on their way
                found += left
                break
            time.sleep(1)
        if unlisted:
            self._report.lines.append(f"{len(unlisted)} objects can be read and are not listed: {sorted(unlisted)}")
        self._report.problems += [f"{job_id or '-'}: {text}" for job_id, text in found]
        jobs = list(dict.fromkeys(job_id for job_id, _ in found if job_id in history.jobs))
        self._report.histories += [history.tell(job_id) for job_id in jobs if job_id is not None][:20]

    def _lines(self, ground: Ground, chaos: Chaos, clients: Clients, truth: Truth, recoveries: Recoveries) -> None:
        history = check.History(truth)
        jobs = history.jobs.values()
        statuses = Counter(job["status"] for job in jobs)
        outcomes = Counter(str(row["outcome"]) for rows in history.attempts.values() for row in rows)
        acknowledged = sum(promise.job is not None for promise in clients.promises)
        lost = sum(job["status"] not in check.ENDED for job in jobs)
        twice = sum(sum(row["outcome"] == "SUCCEEDED" for row in rows) > 1 for rows in history.attempts.values())
        gave_up = sum(check.gave_up(job, history.attempts.get(job["id"], [])) for job in jobs)
        noise = unretrieved(ground.logs)
        for loss in recoveries.losses:
            began = "the job ended" if loss.seconds is None else f"the next began after {loss.seconds:.1f} s"
            chaos.note(f"attempt {loss.attempt} of job {loss.job_id} was lost with its worker; {began}", at=loss.at)
        self._report.lines += [
            f"{acknowledged} acknowledged, {dict(statuses)}, attempts {dict(outcomes)}",
            f"{lost} lost, {twice} published twice, {gave_up} failed because faults hit all of their attempts",
            f"under faults: {figures(recoveries.losses)}",
            f"{len(noise)} times `{UNRETRIEVED}` in the logs",
            *noise[:2],
        ]

    def _recoveries(self, ground: Ground, truth: Truth, somebody: tuple[Account, dict[str, str]]) -> None:
        """Kill workers at work on a stack that is well otherwise: the figure that is promised."""
        account, datasets = somebody
        spec = {"version": 1, "steps": [{"sort": {"by": [{"column": "name"}]}}], "output": {"format": "parquet"}}
        self._say(f"killing {self.plan.recoveries} workers at work, one by one")
        with Recoveries(truth) as recoveries:
            for number in range(self.plan.recoveries):
                part = f"worker-{number % self.plan.workers + 1}"
                jobs: list[str] = []
                before = len(recoveries.losses)
                deadline = time.monotonic() + PATIENCE
                while len(recoveries.losses) == before and time.monotonic() < deadline:
                    if len(jobs) < 40:
                        jobs.append(account.start_job(spec, input=datasets["big"]))
                    pid = ground.pid(part)
                    if pid is not None:
                        recoveries.before_kill(part, [pid])
                        if len(recoveries.losses) > before:
                            send([pid], signal.SIGKILL)
                self._until_none(truth, UNFINISHED, QUIET_SECONDS, "jobs have not ended")
                recoveries.look()
            self._report.lines.append(f"on a stack that is well otherwise: {figures(recoveries.losses)}")
