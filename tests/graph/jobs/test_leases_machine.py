"""The real SQL of jobs against their state machine: any order of workers, people and time, and any two at once.

The model is `graph.jobs.state`. Time is injected by moving what is compared with it (the end of the lease, the next
attempt's time) into the past; PostgreSQL's own clock runs on meanwhile, so each step is allowed what the model says at
its beginning or at its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import text

from graph.core.db import Database
from graph.core.errors import Conflict
from graph.core.events import Events
from graph.core.ids import uuid7
from graph.core.queue import Queue
from graph.core.storage import Storage
from graph.jobs import lease_repository, repository
from graph.jobs.administration import AdministratorJobs
from graph.jobs.leases import Assignment, Leases
from graph.jobs.state import JobState
from tests.faults import check
from tests.faults.truth import Truth
from tests.graph.jobs.leases_model import (
    ALLOWANCE,
    ASKED_MEMORY,
    JOBS,
    LARGE,
    LARGEST_WORKER,
    LEASE,
    SWEEPS,
    TAKES,
    Model,
    Op,
    timeless,
)
from tests.stack import Backends

RESULT: dict[str, Any] = {"rows": 0, "sizeBytes": 0, "format": "csv", "schema": [], "files": [], "rejects": None}


class World:
    """The real thing: services on the real stack, in a loop of its own."""

    def __init__(self, backends: Backends) -> None:
        self.settings = backends.settings.model_copy(
            update={"lease_seconds": int(LEASE.total_seconds()), "max_attempts": ALLOWANCE}
        )
        self.runner = asyncio.Runner()
        self.db = Database(self.settings.database_url, pool_size=4)
        self.queue, self.events, self.storage = Queue(self.settings), Events(self.settings), Storage(self.settings)
        self.leases = Leases(self.db, self.storage, self.events, self.settings)
        self.service = AdministratorJobs(self.db, self.storage, self.queue, self.events, self.settings)
        self.user, self.workspace = uuid7(), uuid7()

    async def begin(self) -> None:
        """Make somebody with a workspace; no job of others is left for the workers of this test."""
        async with self.db.system() as session:
            for statement in (
                "UPDATE jobs SET status = 'CANCELLED', lease_until = NULL WHERE status IN ('PENDING', 'RUNNING')",
                "INSERT INTO users (id, email, name, password_hash) VALUES (:user, :mail, 'machine', '-')",
                "INSERT INTO workspaces (id, name, owner_id) VALUES (:workspace, 'machine', :user)",
            ):
                values = {"user": self.user, "mail": f"{self.user}@example.org", "workspace": self.workspace}
                await session.execute(text(statement), values if ":" in statement else {})

    async def add(self, memory: int | None) -> UUID:
        """A job that waits and asks for so much memory."""
        async with self.db.tenant(self.workspace) as session:
            values = {
                "id": uuid7(),
                "workspace_id": self.workspace,
                "name": "machine",
                "spec": {"version": 1, "steps": []},
                "inputs": [],
                "status": "PENDING",
                "priority": 0,
                "memory_limit_bytes": memory,
                "max_attempts": ALLOWANCE,
                "sequence": 1,
                "created_by": self.user,
            }
            job = await repository.add(session, values)
            assert job is not None
            return job.id

    async def look(self, jobs: list[UUID]) -> tuple[tuple[JobState, ...], datetime]:
        """The rows as states, and PostgreSQL's time."""
        async with self.db.system() as session:
            states = []
            now = None
            for job_id in jobs:
                found = await lease_repository.lock(session, job_id)
                assert found is not None
                states.append(lease_repository.state_of(found[0]))
                now = found[1]
            assert now is not None
            return tuple(states), now

    async def shift(self, jobs: list[UUID], seconds: float) -> None:
        """Let time pass for these jobs."""
        async with self.db.system() as session:
            await session.execute(
                text(
                    "UPDATE jobs SET lease_until = lease_until - make_interval(secs => :s), "
                    "next_attempt_at = next_attempt_at - make_interval(secs => :s) WHERE id = ANY(:ids)"
                ),
                {"s": seconds, "ids": jobs},
            )

    async def do(self, op: Op, jobs: list[UUID]) -> object:
        """Carry an operation out; returns what the model calls its answer."""
        job_id = jobs[op.job]
        work = Assignment(
            job_id=job_id,
            workspace_id=self.workspace,
            attempt=0,
            lease_token=op.token,
            spec={},
            inputs={},
            sources={},
            output_prefix="",
            traceparent=None,
            queued_seconds=0,
            memory_limit=0,
            time_limit=0,
        )
        match op.kind:
            case "expire":
                await self.leases.expire()
                return None  # which jobs it took shows in their states
            case "refuse":
                return tuple(jobs.index(refused) for refused in await self.leases.refuse_larger(LARGEST_WORKER))
            case "claim" | "claim any":
                got = await self.leases.claim("worker", job_id if op.kind == "claim" else None)
                return None if got is None else (jobs.index(got.job_id), got.lease_token)
            case "renew":
                return await self.leases.renew(job_id, op.token)
            case "progress":
                return await self.leases.progress(work, {"rowsIn": 1}, [("INFO", "a line", None)])
            case "publish":
                return await self.leases.publish(work, RESULT, {}, [("INFO", "done", None)])
            case "fail":
                error = {"code": "TEST", "message": "-", "retryable": op.flag}
                after = await self.leases.fail(work, error, lines=[("INFO", "last words", None)])
                return after and after.status
            case "hand back":
                after = await self.leases.hand_back(work)
                return after and after.status
            case "cancel" | "retry" | "requeue":
                changes = {"cancel": self.service.cancel, "retry": self.service.retry, "requeue": self.service.requeue}
                try:
                    await changes[op.kind](self.workspace, self.user, job_id)
                except Conflict:
                    return True
                return False
        raise AssertionError(op.kind)


@contextmanager
def world_on(backends: Backends) -> Iterator[World]:
    world = World(backends)
    world.runner.run(world.begin())
    yield world
    for part in (world.queue, world.events, world.storage, world.db):
        world.runner.run(part.close())
    world.runner.close()


def machine_on(world: World, truth: Truth) -> type[RuleBasedStateMachine]:
    """The test's machine on a world."""

    class Workers(RuleBasedStateMachine):
        claims = Bundle("claims")

        def run(self, work: Any) -> Any:
            return world.runner.run(work)

        @initialize(target=claims)
        def begin(self) -> Any:
            memory = [ASKED_MEMORY if number == LARGE else None for number in range(JOBS)]
            self.ids: list[UUID] = [self.run(world.add(asked)) for asked in memory]
            states, _ = self.run(world.look(self.ids))
            self.model = Model(states)
            return multiple()

        def both(self, *ops: Op) -> list[object]:
            """Do the operations at once; the outcome is that of one order of them, at the earliest or latest time.

            A sweep or a claim may also have found the job of the other operation locked.
            """

            async def at_once() -> list[object]:
                return list(await asyncio.gather(*(world.do(op, self.ids) for op in ops)))

            _, began = self.run(world.look(self.ids))
            answers = self.run(at_once())
            states, ended = self.run(world.look(self.ids))
            allowed = []
            variants = [ops]
            if len(ops) == 2 and ops[1].kind in TAKES:
                variants.append((ops[0], replace(ops[1], passed_over=ops[0].job)))
            for variant, now in product(variants, (began, ended)):
                for order in {variant, variant[::-1]}:
                    model, said = self.model, {}
                    for op in order:
                        model = model.after(op, now)
                        said[op] = model.answer
                    allowed.append((timeless(model.jobs), [said[op] for op in variant], model))
            fitting = [model for jobs, said, model in allowed if jobs == timeless(states) and said == answers]
            assert fitting, f"{ops}: {answers} {states}\nallowed: {[entry[:2] for entry in allowed]}"
            assert any(self.times_fit(model, states, began, ended) for model in fitting), (fitting, states)
            self.model = Model(states)
            return answers

        @staticmethod
        def times_fit(model: Model, states: tuple[JobState, ...], began: datetime, ended: datetime) -> bool:
            slack = ended - began
            for expected, state in zip(model.jobs, states, strict=True):
                ends = (expected.lease_until, state.lease_until)
                if ends[0] is not None and ends[1] is not None and abs(ends[0] - ends[1]) > slack:
                    return False
                # without jitter the backoff is half of what it may be
                most = 2 * max(expected.next_attempt_at - began, timedelta(0)) + slack
                late = state.next_attempt_at - expected.next_attempt_at
                if not -slack <= late <= most:
                    return False
            return True

        @rule(seconds=st.sampled_from([0.4, 1.0, 3.0, 29.0, 31.0, 100.0]))
        def time_passes(self, seconds: float) -> None:
            self.run(world.shift(self.ids, seconds))
            states, _ = self.run(world.look(self.ids))
            assert timeless(states) == timeless(self.model.jobs)
            self.model = Model(states)

        @rule(target=claims, job=st.integers(0, JOBS - 1), kind=st.sampled_from(["claim", "claim any"]))
        def claim(self, job: int, kind: str) -> Any:
            (got,) = self.both(Op(kind, job))
            return got or self.newest(job)

        @rule(target=claims, job=st.integers(0, JOBS - 1))
        def two_claim_at_once(self, job: int) -> Any:
            got = self.both(Op("claim", job), Op("claim", job, token=-1))
            return multiple(*(one or self.newest(job) for one in got))

        def newest(self, job: int) -> tuple[int, int]:
            """What stands in for a claim that got nothing: how many claims there are must not depend on the clock."""
            return job, self.model.jobs[job].lease_token

        @rule(claim=claims, kind=st.sampled_from(["renew", "progress", "publish", "hand back"]))
        def report(self, claim: tuple[int, int], kind: str) -> None:
            self.both(Op(kind, *claim))

        @rule(claim=claims, retryable=st.booleans())
        def fail(self, claim: tuple[int, int], retryable: bool) -> None:
            self.both(Op("fail", *claim, flag=retryable))

        @rule(kind=st.sampled_from(sorted(SWEEPS)))
        def sweep(self, kind: str) -> None:
            self.both(Op(kind))

        @rule(job=st.integers(0, JOBS - 1), kind=st.sampled_from(["cancel", "retry", "requeue"]))
        def person(self, job: int, kind: str) -> None:
            self.both(Op(kind, job))

        @rule(
            claim=claims,
            mine=st.sampled_from(["renew", "progress", "publish", "fail", "hand back"]),
            other=st.sampled_from(
                ["cancel", "retry", "requeue", "expire", "refuse", "publish", "fail", "hand back", "claim"]
            ),
            old=st.booleans(),
        )
        def two_at_once(self, claim: tuple[int, int], mine: str, other: str, old: bool) -> None:
            """A worker and somebody else on one job: a person, the sweep, the next worker, the one before."""
            job, token = claim
            other_token = token - old if other in {"publish", "fail", "hand back"} else 0
            got = self.both(Op(mine, job, token, flag=True), Op(other, job, other_token))
            assert len(got) == 2

        @rule(
            job=st.integers(0, JOBS - 1),
            person=st.sampled_from(["cancel", "retry", "requeue"]),
            other=st.sampled_from(["cancel", "claim", "expire", "refuse"]),
        )
        def a_person_and_somebody_else(self, job: int, person: str, other: str) -> None:
            """A person and a worker, a sweep or another person on one job."""
            self.both(Op(person, job), Op(other, job, token=-1))

        @invariant()
        def one_published_at_most(self) -> None:
            for state in getattr(self, "model", Model(())).jobs:
                assert state.attempt <= state.max_attempts

        def teardown(self) -> None:
            """Workers that only ever crash bring each job to its end; then the history is whole."""
            if not hasattr(self, "ids"):
                return
            for _ in range(4 * max(state.max_attempts for state in self.model.jobs) + 4):
                if all(state.ended for state in self.model.jobs):
                    break
                self.run(world.shift(self.ids, 3600))
                self.model = Model(self.run(world.look(self.ids))[0])
                self.both(Op("expire"))
                self.run(world.shift(self.ids, 3600))
                self.model = Model(self.run(world.look(self.ids))[0])
                self.both(Op("claim any"))
            history = check.History(truth, self.ids)
            problems = [*check.states(history), *check.histories(history), *check.tenants(history)]
            assert not problems, "\n".join([*map(str, problems), *map(history.tell, self.ids)])

    return Workers


def test_workers_people_and_time_in_any_order(backends: Backends) -> None:
    with world_on(backends) as world, Truth(backends.environment) as truth:
        # not shrunk: that takes minutes here, and a case is short
        chosen = settings(
            max_examples=20,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=[HealthCheck.too_slow],
        )
        run_state_machine_as_test(machine_on(world, truth), settings=chosen)
