"""What may be made once for all followers of an event, and what must not."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from graphql import ExecutionResult, parse

from graph.api.sharing import SharingExecutor
from graph.api.sharing import event as happened
from graph.jobs.types import Job
from graph.models import Job as JobRow
from graph.schema import create_schema

SCHEMA = create_schema(introspection=False)._schema
ROW = "fragment Row on Job { id status sequence progress { rowsIn fraction } error { code } }"
PLAIN = "subscription { jobsChanged { id status sequence spec schedule: scheduleId } }"


def row(sequence: int = 3) -> JobRow:
    """A job as a read gives it."""
    return JobRow(
        id=uuid4(),
        name="a job",
        spec={"version": 1},
        inputs=[],
        status="RUNNING",
        attempt=1,
        max_attempts=3,
        priority=0,
        sequence=sequence,
        progress={"rowsIn": 5},
    )


def follower(document: str, **variables: Any) -> SharingExecutor:
    """The executor of one subscription."""
    made = SharingExecutor.build(SCHEMA, parse(document), raw_variable_values=variables)
    assert isinstance(made, SharingExecutor)
    return made


def answer(executor: SharingExecutor, event: JobRow) -> ExecutionResult:
    """What the subscription is told of an event."""
    made = executor.build_per_event_executor(happened(event, Job.of)).execute_operation(False)
    assert isinstance(made, ExecutionResult)
    assert not made.errors
    return made


def told(executor: SharingExecutor, event: JobRow) -> dict[str, Any]:
    """The job in the answer."""
    data = answer(executor, event).data
    assert data is not None
    return dict(data["jobsChanged"])


@pytest.mark.parametrize(
    "document",
    [
        PLAIN,
        f"subscription {{ jobsChanged {{ ...Row }} }} {ROW}",
        f"subscription {{ jobsChanged {{ ... on Job {{ ...Row __typename }} }} }} {ROW}",
        "subscription { jobsChanged { inputs { name datasetId } } }",
    ],
)
def test_followers_of_one_event_share_what_depends_on_it_alone(document: str) -> None:
    executor, event = follower(document), row()
    first = answer(executor, event)
    assert answer(executor, event) is first
    # the same operation of somebody else, as the cache of documents gives it
    other = SharingExecutor.build(SCHEMA, parse("subscription { jobsChanged { id } }"))
    assert isinstance(other, SharingExecutor)
    other.operation, other.fragment_definitions, other.fragments = (
        executor.operation,
        executor.fragment_definitions,
        executor.fragments,
    )
    assert answer(other, event) is first


@pytest.mark.parametrize(
    "selection",
    [
        "pipelineId",
        "inputs { dataset { id } }",
        "logs { totalCount: pageInfo { hasNextPage } }",
        "result { rows files { url } }",
        "... on Node { id }",
    ],
)
def test_what_may_depend_on_who_asks_is_everybodys_own(selection: str) -> None:
    executor = follower(f"subscription {{ jobsChanged {{ id {selection} }} }}")
    assert executor._question() is None


def test_what_is_asked_differently_is_answered_differently() -> None:
    event = row()
    document = parse("subscription($more: Boolean!) { jobsChanged { id status @include(if: $more) } }")
    shown = []
    for more in (True, False):
        made = SharingExecutor.build(SCHEMA, document, raw_variable_values={"more": more})
        assert isinstance(made, SharingExecutor)
        shown.append(set(told(made, event)))
    assert shown == [{"id", "status"}, {"id"}]
    assert set(told(follower("subscription { jobsChanged { name } }"), event)) == {"name"}


def test_the_next_read_of_a_job_is_answered_anew() -> None:
    executor = follower(PLAIN)
    assert [int(told(executor, row(sequence))["sequence"]) for sequence in (3, 4)] == [3, 4]
