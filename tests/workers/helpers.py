"""What tests of jobs need: data sets, jobs through GraphQL, a look at the rows, and waiting."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import select

from graph.core.ids import from_global
from graph.datasets.service import DatasetService
from graph.models import Job, JobAttempt, JobEvent, JobLog
from tests.graph.client import User, upload
from tests.processes import PATIENCE

T = TypeVar("T")
CSV = b"id,country,amount\n1,India,10.5\n2,Nepal,7\n3,India,250\n4,Bhutan,1.25\n"

RUN_JOB = """mutation ($input: RunJobInput!) { runJob(input: $input) { __typename
  ... on RunJobSuccess { job { id status attempt name } }
  ... on InvalidPipeline { problems { path code message hint } } ... on Error { code message path } } }"""
JOB = """query ($id: ID!) { job(id: $id) { id name status attempt maxAttempts createdAt startedAt finishedAt
  cancelRequested inputs { name datasetId dataset { name } } pipelineId pipelineVersion spec
  progress { bytesRead bytesTotal rowsIn rowsOut rowsFiltered rowsRejected fraction etaSeconds }
  error { code message step column row hint retryable } logs(first: 100) { nodes { sequence level message attempt } }
  result { rows sizeBytes schema { name type } files { name format sizeBytes rows url expiresAt }
    rejects { rows url } flight { location ticket descriptor snippets { pandas polars duckdb } } receipt } } }"""
CANCEL = """mutation ($input: CancelJobInput!) { cancelJob(input: $input) { __typename
  ... on CancelJobSuccess { job { id status cancelRequested } } ... on Error { code message path } } }"""
RETRY = """mutation ($input: RetryJobInput!) { retryJob(input: $input) { __typename
  ... on RetryJobSuccess { job { id status attempt maxAttempts error { code } } }
  ... on Error { code message path } } }"""
DELETE = """mutation ($input: DeleteJobInput!) { deleteJob(input: $input) { __typename
  ... on DeleteJobSuccess { id } ... on Error { code message path } } }"""


def spec(where: str = "country = 'India'", output: str = "csv") -> dict[str, Any]:
    """A pipeline of one filter."""
    return {"version": 1, "steps": [{"filter": {"where": where}}], "output": {"format": output}}


async def make_dataset(user: User, data: bytes = CSV, name: str = "orders.csv") -> str:
    """Upload and inspect; returns the global id."""
    made = await upload(user, data, name)
    services = user.services
    status = await DatasetService(services.db, services.storage, services.queue).inspect(
        from_global(made["id"], "Dataset")
    )
    assert status == "READY"
    return str(made["id"])


async def order(user: User, dataset: str, **changes: Any) -> Any:
    """Run a job; returns whatever member of the union came."""
    given = {"inputs": [{"name": "input", "datasetId": dataset}], "spec": spec(), **changes}
    return await user.ask(RUN_JOB, input={key: value for key, value in given.items() if value is not None})


async def run_job(user: User, dataset: str, **changes: Any) -> str:
    """Run a job that must be accepted; returns its global id."""
    answer = await order(user, dataset, **changes)
    assert answer["__typename"] == "RunJobSuccess", answer
    return str(answer["job"]["id"])


async def look(user: User, job: str) -> dict[str, Any]:
    """The job as GraphQL shows it."""
    found: dict[str, Any] = await user.ask(JOB, id=job)
    return found


async def until(
    read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float = PATIENCE, what: str = "it"
) -> T:
    """Read again and again until the condition holds; fails after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = await read()
        if holds(value):
            return value
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s: {value}"
        await asyncio.sleep(0.02)


async def wait_for(user: User, job: str, *statuses: str, seconds: float = PATIENCE) -> dict[str, Any]:
    """Wait until the job stands in one of these (by default: has ended)."""
    wanted = statuses or ("SUCCEEDED", "FAILED", "CANCELLED")
    return await until(lambda: look(user, job), lambda found: found["status"] in wanted, seconds, f"{wanted}")


async def rows_of(user: User, job: str) -> tuple[Job, list[JobAttempt], list[JobEvent], list[JobLog]]:
    """The job's row and all that hangs on it, in order."""
    job_id = from_global(job, "Job")
    async with user.services.db.tenant(user.workspace_id) as session:
        row = (await session.scalars(select(Job).where(Job.id == job_id))).one()
        attempts = await session.scalars(select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.id))
        events = await session.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.sequence))
        logs = await session.scalars(select(JobLog).where(JobLog.job_id == job_id).order_by(JobLog.sequence))
        return row, list(attempts), list(events), list(logs)


async def keys_of(user: User, job: str) -> list[str]:
    """Keys of all objects that the job has in storage."""
    prefix = f"w/{user.workspace_id}/jobs/{from_global(job, 'Job')}/"
    return sorted([item.key async for item in user.services.storage.list_keys(prefix)])


def send(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to processes that this test owns, to those that still live."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def children_of(pid: int) -> list[int]:
    """Process ids of the engine children of a worker process, the inspection's included."""
    return [int(text) for text in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]


def job_uuid(job: str) -> UUID:
    """The id inside."""
    return from_global(job, "Job")
