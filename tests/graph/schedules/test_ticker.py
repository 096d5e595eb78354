"""What workers make of schedules: one job per tick whoever looks, overlap, outages, and what has gone."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from graph.core.ids import from_global
from graph.jobs.orders import Order
from graph.jobs.service import JobService
from graph.models import AuditLog, Dataset, Job, Schedule
from tests.graph.client import User
from tests.graph.schedules.asking import DELETE, UPDATE, key, look, make_due, make_pipeline, make_schedule, ticker
from tests.workers.conftest import StartWorker
from tests.workers.helpers import CANCEL, make_dataset, until, wait_for
from tests.workers.helpers import DELETE as DELETE_JOB

DELETE_PIPELINE = """mutation ($input: DeletePipelineInput!) { deletePipeline(input: $input) { __typename } }"""


async def jobs_of(user: User, schedule: dict[str, Any]) -> list[dict[str, Any]]:
    nodes: list[dict[str, Any]] = (await look(user, schedule["id"]))["jobs"]["nodes"]
    return nodes


async def test_however_many_look_a_tick_is_one_job(user: User) -> None:
    made = await make_schedule(user, overlap="SKIP")
    for round_ in range(1, 4):
        await make_due(user, made, timedelta(days=4 - round_))
        started = await asyncio.gather(*(ticker(user).run_due() for _ in range(8)))
        jobs = await jobs_of(user, made)
        assert len(jobs) == round_
        assert sum(len(each) for each in started) == 1
        assert (jobs[0]["name"], jobs[0]["scheduleId"]) == ("Nightly", made["id"])
        await user.ask(CANCEL, input={"id": jobs[0]["id"]})
    found = await look(user, made["id"])
    assert found["lastOutcome"] == "STARTED"
    assert datetime.fromisoformat(found["nextRunAt"]) > datetime.now(UTC) - timedelta(minutes=1)


async def test_a_worker_that_dies_before_its_commit_has_done_nothing(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await make_schedule(user)
    await make_due(user, made)
    created = JobService.create

    async def die(self: JobService, session: Any, *args: Any, **options: Any) -> Any:
        await created(self, session, *args, **options)
        raise asyncio.CancelledError

    monkeypatch.setattr(JobService, "create", die)
    with pytest.raises(asyncio.CancelledError):
        await ticker(user).run_due()
    assert await jobs_of(user, made) == []
    monkeypatch.undo()
    await ticker(user).run_due()
    await ticker(user).run_due()
    assert len(await jobs_of(user, made)) == 1


async def test_the_key_of_a_tick_makes_no_second_job(user: User) -> None:
    made = await make_schedule(user)
    await make_due(user, made)
    await ticker(user).run_due()
    (job,) = await jobs_of(user, made)
    await user.ask(CANCEL, input={"id": job["id"]})
    tick = datetime.fromisoformat((await look(user, made["id"]))["lastTickAt"])
    async with user.services.db.tenant(user.workspace_id) as session:
        # as if the row had been put back from a backup
        await session.execute(update(Schedule).where(Schedule.id == key(made)).values(next_run_at=tick))
    await ticker(user).run_due()
    assert [each["id"] for each in await jobs_of(user, made)] == [job["id"]]


async def test_what_an_outage_missed_runs_once_and_is_the_latest(user: User) -> None:
    made = await make_schedule(user, cron="* * * * *")
    await make_due(user, made, timedelta(days=2))
    await ticker(user).run_due()
    await ticker(user).run_due()
    (job,) = await jobs_of(user, made)
    tick = datetime.fromisoformat((await look(user, made["id"]))["lastTickAt"])
    assert timedelta() <= datetime.fromisoformat(job["createdAt"]) - tick < timedelta(seconds=60)


async def test_skip_leaves_a_run_out_while_the_job_before_has_not_ended(user: User) -> None:
    made = await make_schedule(user)
    await make_due(user, made, timedelta(days=2))
    await ticker(user).run_due()
    (job,) = await jobs_of(user, made)
    await make_due(user, made, timedelta(days=1))
    await ticker(user).run_due()
    found = await look(user, made["id"])
    assert (found["lastOutcome"], len(found["jobs"]["nodes"])) == ("SKIPPED", 1)
    assert datetime.fromisoformat(found["nextRunAt"]) > datetime.now(UTC) - timedelta(minutes=1)
    await user.ask(CANCEL, input={"id": job["id"]})
    await make_due(user, made)
    await ticker(user).run_due()
    assert len(await jobs_of(user, made)) == 2


async def test_queue_runs_as_soon_as_the_job_before_has_ended(user: User) -> None:
    made = await make_schedule(user, overlap="QUEUE")
    await make_due(user, made, timedelta(days=2))
    await ticker(user).run_due()
    (job,) = await jobs_of(user, made)
    await make_due(user, made, timedelta(hours=5))
    for _ in range(3):
        await ticker(user).run_due()
    found = await look(user, made["id"])
    assert len(found["jobs"]["nodes"]) == 1
    assert datetime.fromisoformat(found["nextRunAt"]) < datetime.now(UTC)  # it waits
    await user.ask(CANCEL, input={"id": job["id"]})
    await ticker(user).run_due()
    await ticker(user).run_due()
    assert len(await jobs_of(user, made)) == 2


async def test_a_schedule_whose_pipeline_was_deleted_says_so(user: User) -> None:
    made = await make_schedule(user)
    await user.ask(DELETE_PIPELINE, input={"id": made["pipelineId"]})
    await make_due(user, made)
    await ticker(user).run_due()
    found = await look(user, made["id"])
    assert (found["enabled"], found["disabledReason"]["code"], found["nextRunAt"]) == (False, "PIPELINE_DELETED", None)
    assert (found["pipeline"], found["lastOutcome"], found["jobs"]["nodes"]) == (None, "REFUSED", [])
    async with user.services.db.tenant(user.workspace_id) as session:
        audit = select(AuditLog).where(AuditLog.object_id == key(made), AuditLog.action == "schedule.disable")
        row = (await session.scalars(audit)).one()
        assert (row.actor_id, row.data and row.data["code"]) == (None, "PIPELINE_DELETED")
    again = await user.ask(UPDATE, input={"id": made["id"], "enabled": True})
    assert (again["code"], again["path"]) == ("NOT_FOUND", ["pipelineId"])


async def test_a_schedule_whose_data_set_was_deleted_says_which_and_takes_another(user: User) -> None:
    made = await make_schedule(user)
    gone = from_global(made["inputs"][0]["datasetId"], "Dataset")
    async with user.services.db.tenant(user.workspace_id) as session:
        await session.execute(update(Dataset).where(Dataset.id == gone).values(deleted_at=func.now()))
    await make_due(user, made)
    await ticker(user).run_due()
    found = await look(user, made["id"])
    assert (found["enabled"], found["disabledReason"]["code"]) == (False, "DATASET_DELETED")
    assert "`input`" in found["disabledReason"]["message"]
    inputs = [{"name": "input", "datasetId": await make_dataset(user)}]
    mended = (await user.ask(UPDATE, input={"id": made["id"], "inputs": inputs, "enabled": True}))["schedule"]
    assert (mended["enabled"], mended["disabledReason"]) == (True, None)
    await make_due(user, made)
    await ticker(user).run_due()
    assert len(await jobs_of(user, made)) == 1


async def test_a_broken_schedule_does_not_hold_up_the_others(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = await make_schedule(user), await make_schedule(user)
    for each in (broken, sound):
        await make_due(user, each)
    created = JobService.create

    async def create(self: JobService, session: Any, workspace: Any, person: Any, order: Order, **options: Any) -> Any:
        if order.schedule_id == key(broken):
            raise RuntimeError("a bug")
        return await created(self, session, workspace, person, order, **options)

    monkeypatch.setattr(JobService, "create", create)
    await ticker(user).run_due()
    assert (await jobs_of(user, broken), len(await jobs_of(user, sound))) == ([], 1)
    monkeypatch.undo()
    await ticker(user).run_due()
    assert len(await jobs_of(user, broken)) == 1


async def test_jobs_outlive_their_schedule(user: User) -> None:
    made = await make_schedule(user)
    await make_due(user, made)
    await ticker(user).run_due()
    (job,) = await jobs_of(user, made)
    await user.ask(DELETE, input={"id": made["id"]})
    async with user.services.db.tenant(user.workspace_id) as session:
        row = (await session.scalars(select(Job))).one()
        assert (row.status, row.schedule_id) == ("PENDING", None)
    await user.ask(CANCEL, input={"id": job["id"]})
    assert (await user.ask(DELETE_JOB, input={"id": job["id"]}))["id"] == job["id"]


async def test_workers_run_what_is_due_by_themselves(user: User, start_worker: StartWorker) -> None:
    made = await make_schedule(user)
    await start_worker()
    await make_due(user, made)
    nodes = await until(lambda: jobs_of(user, made), bool, what="the scheduled job")
    done = await wait_for(user, nodes[0]["id"])
    assert (done["status"], done["result"]["rows"]) == ("SUCCEEDED", 2)


async def test_worker_processes_that_are_killed_lose_and_repeat_no_tick(
    user: User, spawn_worker: Callable[..., subprocess.Popen[bytes]]
) -> None:
    pipeline = await make_pipeline(user)
    inputs = [{"name": "input", "datasetId": await make_dataset(user)}]
    made = [await make_schedule(user, pipelineId=pipeline, inputs=inputs) for _ in range(20)]
    workers = [spawn_worker() for _ in range(2)]
    async with user.services.db.tenant(user.workspace_id) as session:
        due = func.date_trunc("minute", func.clock_timestamp())
        await session.execute(update(Schedule).values(next_run_at=due))

    async def started() -> list[int]:
        async with user.services.db.tenant(user.workspace_id) as session:
            found = await session.execute(select(Job.schedule_id, func.count()).group_by(Job.schedule_id))
            return [row[1] for row in found]

    await until(started, bool, what="the first tick")
    workers[0].kill()
    counts = await until(started, lambda found: len(found) == len(made), what="the last tick")
    assert counts == [1] * len(made)
    await ticker(user).run_due()
    assert await started() == [1] * len(made)
