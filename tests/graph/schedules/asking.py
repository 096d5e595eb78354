"""Documents and helpers of the tests of schedules."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, update

from graph.core.ids import from_global
from graph.jobs.service import JobService
from graph.models import Schedule
from graph.schedules.ticker import Ticker
from tests.graph.client import User
from tests.workers.helpers import make_dataset, spec

# so seldom that the time which `make_due` sets is the only one that is due
SELDOM = "0 0 29 2 *"
FIELDS = """id pipelineId cron timeZone overlap enabled disabledReason { code message } nextRunAt lastTickAt
  lastOutcome lastError { code } nextRuns(first: 3) inputs { name datasetId } pipeline { name }
  jobs(first: 100) { nodes { id name status scheduleId createdAt } }"""
CREATE = f"""mutation ($input: CreateScheduleInput!) {{ createSchedule(input: $input) {{ __typename
  ... on CreateScheduleSuccess {{ schedule {{ {FIELDS} }} }} ... on InvalidPipeline {{ problems {{ path }} }}
  ... on Error {{ code message path }} }} }}"""
UPDATE = f"""mutation ($input: UpdateScheduleInput!) {{ updateSchedule(input: $input) {{ __typename
  ... on UpdateScheduleSuccess {{ schedule {{ {FIELDS} }} }} ... on Error {{ code message path }} }} }}"""
DELETE = """mutation ($input: DeleteScheduleInput!) { deleteSchedule(input: $input) { __typename
  ... on DeleteScheduleSuccess { id } ... on Error { code message path } } }"""
SCHEDULE = f"query ($id: ID!) {{ schedule(id: $id) {{ {FIELDS} }} }}"
SCHEDULES = """query ($first: Int!, $after: String) { schedules(first: $first, after: $after) {
  nodes { id } pageInfo { hasNextPage endCursor } } }"""
PIPELINE = """mutation ($input: CreatePipelineInput!) { createPipeline(input: $input) {
  ... on CreatePipelineSuccess { pipeline { id } } ... on Error { code message } } }"""


async def make_pipeline(user: User, **changes: Any) -> str:
    made = await user.ask(PIPELINE, input={"name": "Nightly", "spec": spec(), **changes})
    return str(made["pipeline"]["id"])


async def order(user: User, **changes: Any) -> Any:
    """Create a schedule of a pipeline and a data set of its own; returns whatever member of the union came."""
    given: dict[str, Any] = {"cron": SELDOM, **changes}
    if "pipelineId" not in given:
        given["pipelineId"] = await make_pipeline(user)
    if "inputs" not in given:
        given["inputs"] = [{"name": "input", "datasetId": await make_dataset(user)}]
    return await user.ask(CREATE, input=given)


async def make_schedule(user: User, **changes: Any) -> dict[str, Any]:
    answer = await order(user, **changes)
    assert answer["__typename"] == "CreateScheduleSuccess", answer
    schedule: dict[str, Any] = answer["schedule"]
    return schedule


async def look(user: User, schedule: str) -> dict[str, Any]:
    found: dict[str, Any] = await user.ask(SCHEDULE, id=schedule)
    return found


def key(schedule: dict[str, Any]) -> UUID:
    return from_global(schedule["id"], "Schedule")


async def make_due(user: User, schedule: dict[str, Any], ago: timedelta = timedelta()) -> None:
    """Let the next run be one that was due so long ago."""
    async with user.services.db.tenant(user.workspace_id) as session:
        await session.execute(
            update(Schedule)
            .where(Schedule.id == key(schedule))
            .values(next_run_at=func.date_trunc("minute", func.clock_timestamp() - ago))
        )


def ticker(user: User) -> Ticker:
    """What a worker runs, without the worker."""
    services = user.services
    jobs = JobService(services.db, services.storage, services.queue, services.events, services.settings)
    return Ticker(services.db, jobs)
